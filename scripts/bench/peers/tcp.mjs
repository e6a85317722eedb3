/** Linux TCP, alone and under TLS 1.3: two connections, since one has no second stream. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'

const NAMES = ['bulk', 'chat']

export async function connect(role, { own, peer, certificate }, isSecure = false) {
  const sockets = {}
  if (role === 'server') {
    const server = isSecure ? tls.createServer(credentials(certificate)) : net.createServer()
    const complete = new Promise((resolve) => {
      server.on(isSecure ? 'secureConnection' : 'connection', (socket) => {
        socket.setNoDelay(true)
        socket.once('data', (first) => {
          sockets[NAMES[first[0]]] = socket
          if (first.length > 1) socket.unshift(first.subarray(1))
          if (NAMES.every((name) => sockets[name] !== undefined)) resolve()
        })
      })
    })
    server.listen(own.port, own.address)
    await once(server, 'listening')
    process.send({ kind: 'listening' })
    await complete
  } else {
    for (const [index, name] of NAMES.entries()) {
      const to = { port: peer.port, host: peer.address }
      const socket = isSecure ? tls.connect({ ...to, rejectUnauthorized: false }) : net.connect(to)
      await once(socket, isSecure ? 'secureConnect' : 'connect')
      socket.setNoDelay(true)
      socket.write(Uint8Array.of(index))
      sockets[name] = socket
    }
  }
  for (const socket of Object.values(sockets)) socket.on('error', () => undefined)
  return { ...sockets, close: async () => Object.values(sockets).forEach((s) => s.destroy()) }
}

function credentials({ key, certificate }) {
  return { key: readFileSync(key), cert: readFileSync(certificate), minVersion: 'TLSv1.3' }
}
