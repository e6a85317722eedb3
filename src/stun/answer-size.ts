/**
 * How long an answer to an unverified sender may be (in bytes of UDP payload):
 *
 *     never longer than the request, or than the least answer there is: a header and XOR-MAPPED-ADDRESS
 *
 * The least answer is 32 bytes to IPv4, which is 1.6 times the shortest request, and 44 to IPv6. Who wants to be told
 * more sends a longer request: the attributes below are added in their order for as long as they fit.
 *
 * Foreign tools send 20 or 28 bytes and cannot work without OTHER-ADDRESS in the answer, 12 bytes more. A small courtesy
 * budget gives them that: per network and, above all, in total, so that a flood of spoofed requests sees the rule and
 * not the exception.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import { type AddressAttribute, HEADER_BYTES, type WritableAttribute } from './message.ts'
import { type BucketLimits, PrefixBuckets, SharedBucket } from './prefix-buckets.ts'

export interface CourtesyLimits {
  readonly perPrefix: BucketLimits
  readonly inAll: BucketLimits
}

/**
 * One run of coturn's `turnutils_natdiscovery` or of `stun` needs two such answers. In the long run the server sends at
 * most 500 × 24 bytes a second more than the rule, whoever asks, and 4 × 24 to any one network.
 */
export const DEFAULT_COURTESY: CourtesyLimits = {
  perPrefix: { perSecond: 4, burst: 64 },
  inAll: { perSecond: 500, burst: 1000 },
}

interface Asked {
  readonly now: Instant
  readonly from: Endpoint
  readonly lengthBytes: number
}

/** What an answer could say besides the mapped address. */
export interface Tellable {
  readonly origin: Endpoint | undefined
  readonly other: Endpoint | undefined
  readonly deservesCourtesy: boolean
}

export class AnswerSize {
  readonly #perPrefix: PrefixBuckets | undefined
  readonly #inAll: SharedBucket | undefined

  constructor(courtesy: CourtesyLimits | 'none') {
    if (courtesy === 'none') return
    this.#perPrefix = new PrefixBuckets(courtesy.perPrefix)
    this.#inAll = new SharedBucket(courtesy.inAll)
  }

  allows({ from, lengthBytes }: Asked, answerBytes: number): boolean {
    return answerBytes <= Math.max(lengthBytes, HEADER_BYTES + addressBytes(from))
  }

  takeCourtesy(now: Instant, from: Endpoint): boolean {
    if (this.#perPrefix === undefined || this.#inAll === undefined) return false
    return this.#perPrefix.take(now, from) && this.#inAll.take(now)
  }

  /** What a Binding success response says. */
  choose(
    asked: Asked,
    tellable: Tellable & { readonly mapped: Endpoint; readonly isPadded: boolean },
  ): readonly WritableAttribute[] {
    const { mapped, isPadded } = tellable
    const { other, origin } = this.#chooseAddresses(asked, tellable)
    const attributes: AddressAttribute[] = [{ kind: 'xor-mapped-address', endpoint: mapped }]
    if (origin !== undefined) attributes.push({ kind: 'response-origin', endpoint: origin })
    if (other !== undefined) attributes.push({ kind: 'other-address', endpoint: other })
    // RFC 5780 §6.1 wants both forms, to see whether a NAT rewrites addresses inside packets.
    const used = HEADER_BYTES + attributes.length * addressBytes(mapped)
    if (this.allows(asked, used + addressBytes(mapped))) {
      attributes.push({ kind: 'mapped-address', endpoint: mapped })
    }
    return isPadded ? padded(asked, attributes) : attributes
  }

  /** What an RFC 3489 response says besides MAPPED-ADDRESS. */
  chooseClassic(asked: Asked, tellable: Tellable): Omit<Tellable, 'deservesCourtesy'> {
    return this.#chooseAddresses(asked, tellable)
  }

  #chooseAddresses(
    asked: Asked,
    { origin, other, deservesCourtesy }: Tellable,
  ): Omit<Tellable, 'deservesCourtesy'> {
    const one = addressBytes(asked.from)
    const least = HEADER_BYTES + one
    if (other === undefined) {
      return { other, origin: this.allows(asked, least + one) ? origin : undefined }
    }
    if (this.allows(asked, least + 2 * one)) return { other, origin }
    const isTold =
      this.allows(asked, least + one) ||
      (deservesCourtesy && this.takeCourtesy(asked.now, asked.from))
    return { other: isTold ? other : undefined, origin: undefined }
  }
}

/** RFC 5780 §6.1: a padded request gets a padded answer; here one of the same length instead of the MTU. */
function padded(
  { from, lengthBytes }: Asked,
  attributes: readonly AddressAttribute[],
): readonly WritableAttribute[] {
  const room = lengthBytes - HEADER_BYTES - attributes.length * addressBytes(from) - 4
  return room < 0 ? attributes : [...attributes, { kind: 'padding', lengthBytes: room }]
}

/** An address attribute with its header. */
function addressBytes({ family }: Endpoint): number {
  return family === 4 ? 12 : 24
}
