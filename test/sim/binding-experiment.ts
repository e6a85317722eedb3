/** Plain experiments on a NAT, as a prober would make them: what the world's NATs must show, and natprobe must find. */
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { Host, SimSocket } from './host.ts'
import type { Dependence } from './nat.ts'
import type { World } from './world.ts'

/** A server on two addresses with two ports each, that answers from any of the four. */
export class TwoAddressServer {
  readonly endpoints: readonly Endpoint[]
  /** What each of the four saw, in order. */
  readonly seen: Endpoint[][] = [[], [], [], []]
  readonly #sockets: readonly SimSocket[]

  constructor(world: World) {
    const [first, second] = ['203.0.113.1', '203.0.113.2'] as const
    const host = world.host('server', { addresses: [first, second] })
    this.endpoints = [first, second].flatMap((address) =>
      [3478, 3479].map((port) => ({ family: 4, address, port }) as const),
    )
    this.#sockets = this.endpoints.map(({ address, port }, index) =>
      world.open(host, { address, port }, (from) => this.seen[index]?.push(from)),
    )
  }

  endpoint(index: number): Endpoint {
    const endpoint = this.endpoints[index]
    if (endpoint === undefined) throw new Error(`The server has no endpoint ${index}`)
    return endpoint
  }

  send(index: number, to: Endpoint): void {
    this.#sockets[index]?.send(to, Uint8Array.of(index))
  }

  lastSeen(index: number): Endpoint {
    const last = this.seen[index]?.at(-1)
    if (last === undefined) throw new Error(`Nothing came to endpoint ${index}`)
    return last
  }
}

const PATIENCE_MS = 1000

/** RFC 5780 §4.3: three destinations from one socket. */
export function classifyMapping(world: World, server: TwoAddressServer, host: Host): Dependence {
  const socket = world.open(host, {}, () => undefined)
  const mappedTowards = (index: number): number => {
    socket.send(server.endpoint(index), Uint8Array.of(0))
    world.runFor(PATIENCE_MS)
    return server.lastSeen(index).port
  }
  const [first, otherAddress, otherPort] = [mappedTowards(0), mappedTowards(2), mappedTowards(3)]
  if (first === otherAddress) return 'endpoint-independent'
  return otherAddress === otherPort ? 'address-dependent' : 'address-and-port-dependent'
}

/** RFC 5780 §4.4: who may answer a fresh socket that has only spoken to the first address and port? */
export function classifyFiltering(world: World, server: TwoAddressServer, host: Host): Dependence {
  const heard = new Set<number>()
  const socket = world.open(host, {}, (_from, bytes) => heard.add(bytes[0] ?? -1))
  socket.send(server.endpoint(0), Uint8Array.of(0))
  world.runFor(PATIENCE_MS)
  for (const index of [0, 1, 3]) server.send(index, server.lastSeen(0))
  world.runFor(PATIENCE_MS)
  if (!heard.has(0)) throw new Error('Not even the plain answer came')
  if (heard.has(3)) return 'endpoint-independent'
  return heard.has(1) ? 'address-dependent' : 'address-and-port-dependent'
}
