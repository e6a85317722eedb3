import type { Endpoint } from '../../../src/core/endpoint.ts'
import { FlowTable } from './flow-table.ts'
import type { Endpoints } from './transport.ts'

const LOWEST_PORT = 1024
const HIGHEST_PORT = 65_535

/**
 * What the router does with TCP and with ICMP echoes, whatever kind it is for UDP: it keeps the port where it can, and
 * lets in what answers. Without an address to hide behind it is a plain stateful firewall.
 */
export class Masquerade {
  readonly #flows = new FlowTable()

  /** The endpoints outside; `undefined` when no port is left. */
  outbound(
    now: number,
    protocol: number,
    { from, to }: Endpoints,
    address: string | undefined,
  ): Endpoints | undefined {
    const known = this.#flows.findOutward(now, protocol, from, to)
    if (known !== undefined) return { from: known.outside, to }
    const outside = this.#freeOutside(now, protocol, { from, to }, address ?? from.address)
    if (outside === undefined) return undefined
    this.#flows.remember(now, { protocol, inside: from, outside, remote: to })
    return { from: outside, to }
  }

  /** The endpoints inside; `undefined` when nothing asked for this. */
  inbound(now: number, protocol: number, { from, to }: Endpoints): Endpoints | undefined {
    const flow = this.#flows.findInward(now, protocol, to, from)
    return flow && { from, to: flow.inside }
  }

  /** For errors: the flow that a packet going outwards belongs to, by its endpoints outside. */
  flowOutside(now: number, protocol: number, { from, to }: Endpoints): Endpoint | undefined {
    return this.#flows.findInward(now, protocol, from, to)?.inside
  }

  /** For errors: the flow that a packet going inwards belongs to, by its endpoints inside. */
  flowInside(now: number, protocol: number, { from, to }: Endpoints): Endpoint | undefined {
    return this.#flows.findOutward(now, protocol, to, from)?.outside
  }

  clear(): void {
    this.#flows.clear()
  }

  #freeOutside(
    now: number,
    protocol: number,
    { from, to }: Endpoints,
    address: string,
  ): Endpoint | undefined {
    let { port } = from
    for (let tries = 0; tries <= HIGHEST_PORT - LOWEST_PORT; tries++) {
      const outside: Endpoint = { family: 4, address, port }
      if (this.#flows.findInward(now, protocol, outside, to) === undefined) return outside
      port = port >= HIGHEST_PORT ? LOWEST_PORT : port + 1
    }
    return undefined
  }
}
