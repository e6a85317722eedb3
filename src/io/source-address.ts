import { createSocket } from 'node:dgram'
import type { Endpoint } from '../core/endpoint.ts'

/**
 * The address that the system would send from; `undefined` where there is no route. Connecting a UDP socket makes the
 * kernel look up the route and sends nothing.
 */
export async function sourceAddressTowards({
  family,
  address,
  port,
}: Endpoint): Promise<string | undefined> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
  try {
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
