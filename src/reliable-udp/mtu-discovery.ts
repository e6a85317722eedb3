/**
 * How large datagrams may be on this path (RFC 8899): probes of growing size, PING and PADDING, that count neither
 * against the window nor as congestion when they are lost.
 *
 * Each size is tried once. The kernel, unless told otherwise, drops the first probe that is too large, learns from the
 * ICMP answer, and from then on *fragments* such datagrams itself: a second try would arrive and prove nothing.
 */
import { after, type Instant } from '../core/instant.ts'
import { BASE_DATAGRAM_BYTES } from './packet.ts'

/** IPv6's least; a VPN's; PPPoE with a tunnel; PPPoE over IPv6; Ethernet over IPv4. */
export const DATAGRAM_SIZES = [BASE_DATAGRAM_BYTES, 1280, 1350, 1400, 1452, 1472] as const

/** What the kernel learned from ICMP is forgotten by then. */
const SEARCH_AGAIN_MS = 600_000

/** A conversation of small packets has no use for larger ones, and is left in peace. */
const FULL_PACKETS_BEFORE_SEARCH = 16

/** Losses of large packets alone, each at least a PTO after the one before: the path does not carry them any more. */
const BLACK_HOLE_SUSPICIONS = 3

export class MtuDiscovery {
  readonly #largest: number
  #current: number = BASE_DATAGRAM_BYTES
  #next: number | undefined
  #probe: { readonly number: number; readonly bytes: number } | undefined
  #searchFrom: Instant | undefined
  #fullPackets = 0
  #suspicions = 0
  #suspectedAt: Instant | undefined

  /** `largest`: what the peer takes. */
  constructor(largest: number) {
    this.#largest = largest
    this.#setCurrent(BASE_DATAGRAM_BYTES)
  }

  get datagramBytes(): number {
    return this.#current
  }

  /** The size to try now, if it is time to try one. */
  wantedProbe(now: Instant): number | undefined {
    if (this.#next === undefined || this.#probe !== undefined) return undefined
    if (this.#fullPackets < FULL_PACKETS_BEFORE_SEARCH) return undefined
    return this.#searchFrom !== undefined && now < this.#searchFrom ? undefined : this.#next
  }

  handleProbeSent(number: number, bytes: number): void {
    this.#probe = { number, bytes }
  }

  handlePacketSent(bytes: number): void {
    if (bytes === this.#current) this.#fullPackets += 1
  }

  /** True when larger packets are proven to pass. */
  handleAcked(number: number, bytes: number): boolean {
    if (bytes > BASE_DATAGRAM_BYTES) this.#suspicions = 0
    if (number !== this.#probe?.number) return false
    this.#setCurrent(this.#probe.bytes)
    this.#probe = undefined
    return true
  }

  /** True when packets have to be small again. */
  handleLost(now: Instant, number: number, bytes: number, ptoMs: number): boolean {
    if (number === this.#probe?.number) {
      this.#probe = undefined
      this.#searchFrom = after(now, SEARCH_AGAIN_MS)
      return false
    }
    if (bytes <= BASE_DATAGRAM_BYTES || this.#current === BASE_DATAGRAM_BYTES) return false
    if (this.#suspectedAt !== undefined && now - this.#suspectedAt < ptoMs) return false
    this.#suspectedAt = now
    this.#suspicions += 1
    if (this.#suspicions < BLACK_HOLE_SUSPICIONS) return false
    this.#setCurrent(BASE_DATAGRAM_BYTES)
    this.#suspicions = 0
    this.#searchFrom = after(now, SEARCH_AGAIN_MS)
    return true
  }

  /** Another path: nothing is known of it (RFC 9000 §9.4). */
  reset(): void {
    this.#setCurrent(BASE_DATAGRAM_BYTES)
    this.#probe = undefined
    this.#searchFrom = undefined
    this.#fullPackets = 0
    this.#suspicions = 0
  }

  #setCurrent(bytes: number): void {
    this.#current = bytes
    this.#next = DATAGRAM_SIZES.find((size) => size > bytes && size <= this.#largest)
  }
}
