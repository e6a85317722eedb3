/**
 * Whether the port that the gateway gave us leads to our primary socket: a server is made to send there.
 *
 *     check socket ── Binding, CHANGE-REQUEST port, RESPONSE-PORT 40000 ──► server A:3478
 *     primary socket ◄── gateway:40000 ◄────────────────────────────────── server A:3479
 *
 * The primary socket never speaks to `quietEndpointOf` the servers, and so no filter opens for it: what comes from
 * there has come through the mapping. (Where the NAT filters by address alone and gives the same port, it has not
 * been proven; then the mapped address is the server-reflexive one, and nothing is promised that does not hold.)
 *
 * What is proven is the address that the server sent to, which is not what the gateway calls its own where there is
 * another NAT before it.
 */
import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import { type Machine, type SocketId, socketNamed, type Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { TransactionId, WritableAttribute } from '../stun/message.ts'
import { PRIMARY, type Schedule, StunTransactions } from '../stun/transactions.ts'

/** An IPv4 socket on any port. */
export const MAPPING_CHECK_SOCKET: SocketId = socketNamed('mapping-check')

export type MappingCheckEvent =
  /** The world reaches the primary socket here. */
  { readonly kind: 'proven'; readonly endpoint: Endpoint } | { readonly kind: 'unproven' }

/** As long as gathering: five questions, and their answers over a bad line. */
const SCHEDULE: Schedule = { sendAtMs: [0, 150, 400, 900, 1800], giveUpAtMs: 3000 }

interface Check {
  readonly id: TransactionId
  readonly external: Endpoint
}

export class MappingCheck implements Machine<MappingCheckEvent> {
  readonly #transactions: StunTransactions
  readonly #events = new OutboundQueue<MappingCheckEvent>()
  #running: Check | undefined

  constructor({ random }: { readonly random: Random }) {
    this.#transactions = new StunTransactions({ random })
  }

  /** `servers` are the endpoints of one server, the main one first. */
  start(now: Instant, external: Endpoint, servers: readonly Endpoint[]): void {
    this.cancel()
    const server = servers.find(({ family }) => family === external.family)
    if (server === undefined) return
    const quiet = quietEndpointOf(servers)
    const respond: WritableAttribute = { kind: 'response-port', port: external.port }
    const change: WritableAttribute = {
      kind: 'change-request',
      changeAddress: false,
      changePort: true,
    }
    const id = this.#transactions.request(now, {
      server,
      via: MAPPING_CHECK_SOCKET,
      attributes: quiet === undefined ? [respond] : [change, respond],
      schedule: SCHEDULE,
      acceptFrom: [quiet ?? server],
      acceptVia: PRIMARY,
    })
    this.#running = { id, external }
  }

  cancel(): void {
    if (this.#running !== undefined) this.#transactions.cancel(this.#running.id)
    this.#running = undefined
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#transactions.handleDatagram(now, from, bytes, via)
    this.#hear()
  }

  handleTimeout(now: Instant): void {
    this.#transactions.handleTimeout(now)
    this.#hear()
  }

  pollTransmit(): Transmit | undefined {
    return this.#transactions.pollTransmit()
  }

  pollEvent(): MappingCheckEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#transactions.pollTimeout()
  }

  #hear(): void {
    const outcome = this.#transactions.pollEvent()
    const check = this.#running
    if (check === undefined || outcome?.id !== check.id) return
    this.#running = undefined
    // A refusal comes to the socket that asked, and so is silence here.
    if (outcome.kind !== 'answered') this.#events.push({ kind: 'unproven' })
    else {
      const endpoint = { ...outcome.mapped, port: check.external.port }
      this.#events.push({ kind: 'proven', endpoint })
    }
  }
}

/**
 * The server's main address with its other port: the one of its endpoints that gathering leaves alone. Two addresses on
 * one port tell all that a mapping depends on, but for the port, which the other address has as well.
 */
export function quietEndpointOf(servers: readonly Endpoint[]): Endpoint | undefined {
  const [main] = servers
  if (main === undefined) return undefined
  const sibling = servers.find(
    ({ address, port }) => address === main.address && port !== main.port,
  )
  const hasOtherAddress = servers.some(
    ({ family, address }) => family === main.family && address !== main.address,
  )
  return hasOtherAddress ? sibling : undefined
}

/** The endpoints that the primary socket asks. */
export function askedOf(servers: readonly Endpoint[]): readonly Endpoint[] {
  const quiet = quietEndpointOf(servers)
  return quiet === undefined ? servers : servers.filter((server) => !sameEndpoint(server, quiet))
}
