/** PCP, RFC 6887, for `DatagramClient`. The greeting is ANNOUNCE; a MAP response must repeat our nonce and port. */
import { scopeOf } from '../../core/address-scope.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { Instant } from '../../core/instant.ts'
import type { Random } from '../../core/random.ts'
import type { Schedule } from '../../stun/transactions.ts'
import type { Dialect, Heard } from './dialect.ts'
import { EpochWatch, isPcpEpochLost } from './epoch.ts'
import { pcpSchedule } from './gateway-schedules.ts'
import { LEASE_SECONDS } from './lease.ts'
import type { MappingRecord, UnavailableReason } from './mapping-client.ts'
import { decodePcpResponse, encodePcpRequest, PCP_RESULTS, type PcpResponse } from './pcp.ts'

export interface PcpOptions {
  readonly localAddress: string
  readonly localPort: number
  /** In hexadecimal. The same one in each life of the daemon, so that it may renew what an earlier one made. */
  readonly nonce: string
  readonly random: Random
}

type MapResponse = Extract<PcpResponse, { kind: 'map' }>

/** RFC 6887 §11.1: no wish for an external address, in the family of the client's own. */
const NOWHERE = { 4: '0.0.0.0', 6: '::' } as const

export class PcpDialect implements Dialect {
  readonly #options: PcpOptions
  readonly #epoch = new EpochWatch(isPcpEpochLost)
  readonly schedule = (): Schedule => pcpSchedule(this.#options.random)

  constructor(options: PcpOptions) {
    this.#options = options
  }

  greeting(): Uint8Array {
    return encodePcpRequest({ kind: 'announce', client: this.#options.localAddress })
  }

  request(suggested: Endpoint | undefined): Uint8Array {
    return this.#map(this.#options, LEASE_SECONDS, suggested)
  }

  /** RFC 6887 §15: a lifetime of zero, and no wish. */
  deletion(): Uint8Array {
    return this.#map(this.#options, 0)
  }

  cleaning({ by, nonce, localPort }: MappingRecord): Uint8Array | undefined {
    if (by !== 'pcp' || nonce === undefined) return undefined
    const isOurs = nonce === this.#options.nonce && localPort === this.#options.localPort
    return isOurs ? undefined : this.#map({ nonce, localPort }, 0)
  }

  record({ port }: Endpoint): MappingRecord {
    const { localPort, nonce } = this.#options
    return { by: 'pcp', localPort, externalPort: port, nonce }
  }

  hear(now: Instant, bytes: Uint8Array): Heard | undefined {
    const response = decodePcpResponse(bytes)
    if (!response.ok) return undefined
    switch (response.value.kind) {
      case 'unsupported-version':
        return { kind: 'other-version' }
      case 'announce':
        return this.#hearAnnounce(now, response.value.result, response.value.epochSeconds)
      case 'map':
        return this.#isOurs(response.value) ? this.#hearMap(now, response.value) : undefined
    }
  }

  #hearAnnounce(now: Instant, result: number, epochSeconds: number): Heard {
    const { success, unsupportedOpcode } = PCP_RESULTS
    // ANNOUNCE came late to the protocol: a server without it is a server.
    if (result === unsupportedOpcode) return { kind: 'alive', hasForgotten: false }
    if (result !== success) return refusal('greeting', result)
    return { kind: 'alive', hasForgotten: this.#epoch.read(now, epochSeconds) }
  }

  #hearMap(now: Instant, response: MapResponse): Heard {
    const { result, external, lifetimeSeconds, epochSeconds } = response
    if (result !== PCP_RESULTS.success) return refusal('mapping', result)
    const hasForgotten = this.#epoch.read(now, epochSeconds)
    if (lifetimeSeconds === 0) return { kind: 'deleted' }
    if (external.port === 0 || scopeOf(external) === 'unusable') {
      return { kind: 'refused', what: 'mapping', why: 'no-external-address', isPassing: false }
    }
    return { kind: 'granted', external, lifetimeSeconds, hasForgotten }
  }

  #isOurs({ nonce, internalPort }: MapResponse): boolean {
    return nonce === this.#options.nonce && internalPort === this.#options.localPort
  }

  #map(
    { nonce, localPort }: { readonly nonce: string; readonly localPort: number },
    lifetimeSeconds: number,
    suggested?: Endpoint,
  ): Uint8Array {
    const client = this.#options.localAddress
    const family = client.includes(':') ? 6 : 4
    const external = suggested ?? { family, address: NOWHERE[family], port: 0 }
    const mapping = { nonce, internalPort: localPort, external }
    return encodePcpRequest({ kind: 'map', client, lifetimeSeconds, ...mapping })
  }
}

function refusal(what: 'greeting' | 'mapping', result: number): Heard {
  const { networkFailure, noResources } = PCP_RESULTS
  const isPassing = result === networkFailure || result === noResources // RFC 6887 §7.4: "short lifetime error"
  return { kind: 'refused', what, why: reasonOf(result), isPassing }
}

function reasonOf(result: number): UnavailableReason {
  switch (result) {
    case PCP_RESULTS.notAuthorized:
      return 'not-authorized'
    case PCP_RESULTS.unsupportedOpcode:
    case PCP_RESULTS.unsupportedProtocol:
      return 'unsupported'
    case PCP_RESULTS.networkFailure:
      return 'no-external-address'
    case PCP_RESULTS.noResources:
    case PCP_RESULTS.userExceedsQuota:
      return 'out-of-resources'
    case PCP_RESULTS.cannotProvideExternal:
      return 'conflict'
    case PCP_RESULTS.addressMismatch:
      return 'address-mismatch'
    default:
      return 'refused'
  }
}
