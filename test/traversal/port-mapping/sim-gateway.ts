import { type Endpoint, sameEndpoint } from '../../../src/core/endpoint.ts'
import { type Instant, instant } from '../../../src/core/instant.ts'
import type { Transmit } from '../../../src/core/machine.ts'
import {
  decodeNatPmpRequest,
  encodeNatPmpResponse,
  type NatPmpRequest,
} from '../../../src/traversal/port-mapping/nat-pmp.ts'
import {
  decodePcpRequest,
  encodePcpResponse,
  type PcpRequest,
} from '../../../src/traversal/port-mapping/pcp.ts'
import { ipv4 } from '../../stun/endpoints.ts'
import { type Answer, GATEWAY } from './bench.ts'

interface Options {
  /** Of NAT-PMP's and PCP's versions. A version not among them is refused as RFC 6887 §9 has it, unless silent. */
  readonly versions?: readonly (0 | 2)[]
  readonly isSilentToOthers?: boolean
  /** What it grants at most. */
  readonly leaseSeconds?: number
  /** Result codes to answer requests for mappings with, whatever they are. */
  readonly mapResult?: number
  readonly greetingResult?: number
}

/** A gateway that speaks PCP, NAT-PMP or both, and keeps one table. */
export class SimGateway {
  /** Internal port to external port. */
  readonly mappings = new Map<number, number>()
  externalAddress = '198.51.100.7'
  isSilent = false
  /** The next external port. */
  port = 50_000
  mapResult: number
  greetingResult: number
  readonly #versions: readonly number[]
  readonly #isSilentToOthers: boolean
  readonly #leaseSeconds: number
  #startedAt = instant(-1_000_000)

  constructor({
    versions = [0, 2],
    isSilentToOthers = false,
    leaseSeconds = 7200,
    mapResult = 0,
    greetingResult = 0,
  }: Options = {}) {
    this.#versions = versions
    this.#isSilentToOthers = isSilentToOthers
    this.#leaseSeconds = leaseSeconds
    this.mapResult = mapResult
    this.greetingResult = greetingResult
  }

  readonly datagram = (now: Instant, { to, bytes }: Transmit): readonly Answer[] => {
    if (this.isSilent || !sameEndpoint(to, GATEWAY)) return []
    const answer = this.#answer(now, bytes)
    return answer === undefined ? [] : [{ from: GATEWAY, bytes: answer }]
  }

  restart(now: Instant): void {
    this.mappings.clear()
    this.#startedAt = now
  }

  epochSeconds(now: Instant): number {
    return Math.floor((now - this.#startedAt) / 1000)
  }

  #answer(now: Instant, bytes: Uint8Array): Uint8Array | undefined {
    const version = bytes[0] ?? 0
    if (!this.#versions.includes(version)) return this.#refuse(version)
    const pcp = decodePcpRequest(bytes)
    if (pcp.ok) return this.#answerPcp(now, pcp.value)
    const natPmp = decodeNatPmpRequest(bytes)
    return natPmp.ok ? this.#answerNatPmp(now, natPmp.value) : undefined
  }

  #refuse(version: number): Uint8Array | undefined {
    if (this.#isSilentToOthers) return undefined
    const ours = this.#versions[0] ?? 0
    const refusal = { kind: 'unsupported-version', version: ours } as const
    return version === 0
      ? encodeNatPmpResponse(refusal)
      : encodePcpResponse(refusal).subarray(0, ours === 0 ? 8 : 24)
  }

  #answerPcp(now: Instant, request: PcpRequest): Uint8Array {
    const epochSeconds = this.epochSeconds(now)
    if (request.kind === 'announce') {
      return encodePcpResponse({ kind: 'announce', result: this.greetingResult, epochSeconds })
    }
    const result = this.mapResult
    const { port, lifetimeSeconds } = this.#change(request, request.external.port)
    const external: Endpoint = ipv4(this.externalAddress, port)
    return encodePcpResponse({ ...request, result, epochSeconds, external, lifetimeSeconds })
  }

  #answerNatPmp(now: Instant, request: NatPmpRequest): Uint8Array {
    const epochSeconds = this.epochSeconds(now)
    if (request.kind === 'address') {
      const result = this.greetingResult
      const address = this.externalAddress
      return encodeNatPmpResponse({ kind: 'address', result, epochSeconds, address })
    }
    const result = this.mapResult
    const { port, lifetimeSeconds } = this.#change(request, request.externalPort)
    const { internalPort } = request
    const mapping = { internalPort, externalPort: port, lifetimeSeconds }
    return encodeNatPmpResponse({ kind: 'map', result, epochSeconds, ...mapping })
  }

  #change(
    request: { readonly internalPort: number; readonly lifetimeSeconds: number },
    suggested: number,
  ): { readonly port: number; readonly lifetimeSeconds: number } {
    if (this.mapResult !== 0) return { port: suggested, lifetimeSeconds: 30 }
    if (request.lifetimeSeconds === 0) {
      this.mappings.delete(request.internalPort)
      return { port: 0, lifetimeSeconds: 0 }
    }
    const port = this.mappings.get(request.internalPort) ?? this.port++
    this.mappings.set(request.internalPort, port)
    return { port, lifetimeSeconds: Math.min(request.lifetimeSeconds, this.#leaseSeconds) }
  }
}
