import { createConnection } from 'node:net'
import type { Endpoint } from '../core/endpoint.ts'

/** Whether a TCP connection to an endpoint can be made; it is closed at once. Never rejects. */
export async function reachTcp(
  { address, port }: Endpoint,
  timeoutMs: number,
): Promise<'connected' | 'refused' | 'silent'> {
  return await new Promise((resolve) => {
    const socket = createConnection({ host: address, port })
    const timer = setTimeout(() => end('silent'), timeoutMs)
    const end = (outcome: 'connected' | 'refused' | 'silent'): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    socket.once('connect', () => end('connected'))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' ? 'refused' : 'silent')
    })
  })
}
