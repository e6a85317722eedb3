/** KCP (skywind3000's C core in node-kcp) in its usual fast mode; not encrypted. One conversation for each pipe. */
import { once } from 'node:events'
import dgram from 'node:dgram'
import { createRequire } from 'node:module'
import { Pipe } from '../pipe.mjs'

// The package's `main` is not its code.
const kcp = createRequire(import.meta.url)('node-kcp/build/Release/kcp')

const CONVERSATIONS = { bulk: 1, chat: 2 }
const MTU = 1400
const WINDOW = 1024
const TICK_MS = 10
/** One KCP message has 128 fragments at most. */
const MESSAGE_BYTES = 64 * 1024

export async function connect(role, { own, peer }) {
  const socket = dgram.createSocket({
    type: 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
    lookup: (address, _options, callback) => callback(null, address, 4),
  })
  const listening = once(socket, 'listening') // at once, with a lookup like this one
  socket.bind(own.port, own.address)
  await listening
  process.send({ kind: 'listening' })
  const sessions = Object.entries(CONVERSATIONS).map(([name, id]) => [name, newSession(id)])

  function newSession(id) {
    const session = new kcp.KCP(id, {})
    session.nodelay(1, TICK_MS, 2, 1)
    session.wndsize(WINDOW, WINDOW)
    session.setmtu(MTU)
    session.output((data, size) => socket.send(data, 0, size, peer.port, peer.address))
    const pipe = new Pipe((bytes) => {
      for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
        session.send(Buffer.from(bytes.subarray(at, at + MESSAGE_BYTES)))
      }
      session.flush()
      return session.waitsnd() < 2 * WINDOW
    })
    return { id, session, pipe, isFull: false }
  }

  function turn({ session, pipe }) {
    for (let bytes = session.recv(); bytes?.length > 0; bytes = session.recv()) {
      pipe.emit('data', bytes)
    }
    if (session.waitsnd() < WINDOW) pipe.emit('drain')
  }

  socket.on('message', (bytes) => {
    const found = sessions.find(([, { id }]) => id === bytes.readUInt32LE(0))?.[1]
    if (found === undefined) return
    found.session.input(bytes)
    turn(found)
  })
  const ticking = setInterval(() => {
    for (const [, one] of sessions) {
      one.session.update(Date.now() & 0x7fffffff)
      turn(one)
    }
  }, TICK_MS)
  const pipes = Object.fromEntries(sessions.map(([name, { pipe }]) => [name, pipe]))
  return { ...pipes, close: async () => clearInterval(ticking) }
}
