import { createSocket } from 'node:dgram'
import type { Endpoint } from '../core/endpoint.ts'
import { bindToInterface } from './uplinks.ts'

/**
 * The address that the system would send from, through that interface where one is named; `undefined` where there is no
 * route, or the interface cannot be chosen. Connecting a UDP socket makes the kernel look up the route and sends nothing.
 */
export async function sourceAddressTowards(
  { family, address, port }: Endpoint,
  interfaceIndex?: number,
): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
  try {
    if (interfaceIndex !== undefined) {
      await new Promise<void>((done, fail) => {
        socket.once('error', fail)
        socket.bind(0, done)
      })
      if (!bindToInterface(socket, interfaceIndex)) return undefined
    }
    await new Promise<void>((done, fail) => {
      socket.once('error', fail)
      // Called with the error when there is one, against its type.
      socket.connect(port, address, (error?: Error) => (error === undefined ? done() : fail(error)))
    })
    return socket.address().address
  } catch {
    return undefined // no route, or none of this family
  } finally {
    socket.close()
  }
}
