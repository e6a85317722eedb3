/** A TCP connection through an HTTP proxy: the CONNECT method (RFC 9110 §9.3.6), with Basic credentials (RFC 7617). */
import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpProxy } from './proxy-environment.ts'

/**
 * The proxy resolves the host's name.
 *
 * @throws Error that says what the proxy answered, or why it could not be reached.
 */
export async function connectThroughProxy(
  proxy: HttpProxy,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const asked = request({
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
    headers: {
      Host: authority,
      ...(proxy.authorization === undefined ? {} : { 'Proxy-Authorization': proxy.authorization }),
    },
    agent: false,
    signal,
  })
  return await new Promise((resolve, reject) => {
    asked.once('error', reject)
    asked.once('connect', ({ statusCode = 0, statusMessage = '' }, socket, head) => {
      if (statusCode >= 200 && statusCode < 300) {
        if (head.length > 0) socket.unshift(head)
        resolve(socket)
        return
      }
      socket.destroy()
      const reason = statusMessage.slice(0, MAX_REASON_CHARS)
      reject(new Error(`it answers ${statusCode} ${reason}`.trimEnd()))
    })
    asked.end()
  })
}

/** A proxy may say a whole page; it goes into one line of a log. */
const MAX_REASON_CHARS = 100
