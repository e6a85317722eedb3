/**
 * NAT-PMP, RFC 6886, for `DatagramClient`. The greeting asks for the external address, which the answer to a mapping
 * request does not tell; without transaction ids, an answer must name our port.
 */
import { scopeOf } from '../../core/address-scope.ts'
import { type Endpoint, endpoint } from '../../core/endpoint.ts'
import type { Instant } from '../../core/instant.ts'
import type { Schedule } from '../../stun/transactions.ts'
import type { Dialect, Heard } from './dialect.ts'
import { EpochWatch, isNatPmpEpochLost } from './epoch.ts'
import { NAT_PMP_SCHEDULE } from './gateway-schedules.ts'
import { LEASE_SECONDS } from './lease.ts'
import type { MappingRecord, UnavailableReason } from './mapping-client.ts'
import {
  decodeNatPmpResponse,
  encodeNatPmpRequest,
  NAT_PMP_RESULTS,
  type NatPmpResponse,
} from './nat-pmp.ts'

type AddressResponse = Extract<NatPmpResponse, { kind: 'address' }>
type MapResponse = Extract<NatPmpResponse, { kind: 'map' }>

export class NatPmpDialect implements Dialect {
  readonly schedule = (): Schedule => NAT_PMP_SCHEDULE
  readonly #localPort: number
  readonly #epoch = new EpochWatch(isNatPmpEpochLost)
  #address: string | undefined

  constructor({ localPort }: { readonly localPort: number }) {
    this.#localPort = localPort
  }

  greeting(): Uint8Array {
    return encodeNatPmpRequest({ kind: 'address' })
  }

  request(suggested: Endpoint | undefined): Uint8Array {
    return encodeNatPmpRequest({
      kind: 'map',
      internalPort: this.#localPort,
      externalPort: suggested?.port ?? this.#localPort, // RFC 6886 §3.3: often the same is free
      lifetimeSeconds: LEASE_SECONDS,
    })
  }

  deletion(): Uint8Array {
    return deletionOf(this.#localPort)
  }

  cleaning({ by, localPort }: MappingRecord): Uint8Array | undefined {
    return by === 'nat-pmp' && localPort !== this.#localPort ? deletionOf(localPort) : undefined
  }

  record({ port }: Endpoint): MappingRecord {
    return { by: 'nat-pmp', localPort: this.#localPort, externalPort: port }
  }

  hear(now: Instant, bytes: Uint8Array): Heard | undefined {
    const response = decodeNatPmpResponse(bytes)
    if (!response.ok) return undefined
    switch (response.value.kind) {
      case 'unsupported-version':
        return { kind: 'other-version' }
      case 'address':
        return this.#hearAddress(now, response.value)
      case 'map':
        if (response.value.internalPort !== this.#localPort) return undefined
        return this.#hearMap(now, response.value)
    }
  }

  #hearAddress(now: Instant, { result, address, epochSeconds }: AddressResponse): Heard {
    if (result !== NAT_PMP_RESULTS.success) return refusal('greeting', result)
    const isForgotten = this.#epoch.read(now, epochSeconds)
    if (scopeOf({ family: 4, address }) === 'unusable') {
      return { kind: 'refused', what: 'greeting', why: 'no-external-address', isPassing: true }
    }
    const isElsewhere = this.#address !== undefined && this.#address !== address
    this.#address = address
    return { kind: 'alive', hasForgotten: isForgotten || isElsewhere }
  }

  #hearMap(now: Instant, response: MapResponse): Heard | undefined {
    const { result, externalPort, lifetimeSeconds, epochSeconds } = response
    if (result !== NAT_PMP_RESULTS.success) return refusal('mapping', result)
    const hasForgotten = this.#epoch.read(now, epochSeconds)
    if (lifetimeSeconds === 0) return { kind: 'deleted' }
    const external = endpoint(this.#address ?? '', externalPort)
    if (!external.ok || externalPort === 0) return undefined
    return { kind: 'granted', external: external.value, lifetimeSeconds, hasForgotten }
  }
}

/** RFC 6886 §3.4: lifetime and external port zero. */
function deletionOf(internalPort: number): Uint8Array {
  const nothing = { externalPort: 0, lifetimeSeconds: 0 }
  return encodeNatPmpRequest({ kind: 'map', internalPort, ...nothing })
}

function refusal(what: 'greeting' | 'mapping', result: number): Heard {
  const { networkFailure, outOfResources } = NAT_PMP_RESULTS
  const isPassing = result === networkFailure || result === outOfResources
  return { kind: 'refused', what, why: reasonOf(result), isPassing }
}

function reasonOf(result: number): UnavailableReason {
  switch (result) {
    case NAT_PMP_RESULTS.notAuthorized:
      return 'not-authorized'
    case NAT_PMP_RESULTS.networkFailure:
      return 'no-external-address'
    case NAT_PMP_RESULTS.outOfResources:
      return 'out-of-resources'
    case NAT_PMP_RESULTS.unsupportedOpcode:
      return 'unsupported'
    default:
      return 'refused'
  }
}
