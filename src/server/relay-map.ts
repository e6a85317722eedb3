/** The relays that this server signs tickets for: its own, and those elsewhere that the operator named. */
import { equalBytes } from '../core/bytes.ts'
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import type { RelayGrant, RelayOffer, Relays } from '../protocol/server/messages.ts'
import { type RelayLink, relayIdOf } from '../protocol/relay/link.ts'
import { addressesOf } from './host-port.ts'

/** What a session is reached by, as the map needs it. */
interface Reachable {
  /** Of the server's own UDP service; none without one. */
  readonly services: readonly Endpoint[]
}

interface FarRelay {
  readonly link: RelayLink
  readonly id: Uint8Array
  readonly addresses: readonly string[]
}

export class RelayMap {
  readonly #ownId: Uint8Array
  readonly #far: readonly FarRelay[] // ≤ MAX_RELAYS, by the settings

  private constructor(ownId: Uint8Array, far: readonly FarRelay[]) {
    this.#ownId = ownId
    this.#far = far
  }

  /** Looks names up once. @throws HollerError `CONFIG_INVALID` for a name that has no address */
  static async of(ownId: Uint8Array, links: readonly RelayLink[]): Promise<RelayMap> {
    const far = links.map(async (link) => ({
      link,
      id: relayIdOf(link.pin),
      addresses: await addressesOf(link.host),
    }))
    return new RelayMap(ownId, await Promise.all(far))
  }

  /** What a client is told of them at its login; nothing where there is no choice. */
  offered({ services: [own] }: Reachable): { readonly relays?: Relays } {
    if (own === undefined || this.#far.length === 0) return {}
    const offers = this.#far.flatMap((relay): readonly RelayOffer[] => {
      const { host, port: tlsPort, pin } = relay.link
      const udp = udpOf(relay, own.family)
      return udp === undefined ? [] : [{ id: relay.id, endpoint: udp, host, tlsPort, pin }]
    })
    return { relays: { own: this.#ownId, offers } }
  }

  /** The relay that whoever asks for an introduction wants, else our own: both sides get the same. */
  chosen(wanted: Uint8Array | undefined): Uint8Array {
    const isKnown = wanted !== undefined && this.#far.some(({ id }) => equalBytes(id, wanted))
    return isKnown ? wanted : this.#ownId
  }

  grant(relayId: Uint8Array, ticket: Uint8Array, { services }: Reachable): RelayGrant | undefined {
    const [own] = services
    if (own === undefined) return undefined
    const far = this.#far.find(({ id }) => equalBytes(id, relayId))
    const there = far === undefined ? own : udpOf(far, own.family)
    return there && { endpoint: there, ticket }
  }
}

function udpOf({ addresses, link }: FarRelay, family: 4 | 6): Endpoint | undefined {
  const address = addresses.find((one) => one.includes(':') === (family === 6))
  const made = address === undefined ? undefined : endpoint(address, link.udpPort)
  return made?.ok === true ? made.value : undefined
}
