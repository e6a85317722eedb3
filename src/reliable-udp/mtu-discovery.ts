/**
 * How large datagrams may be on this path (RFC 8899): probes of growing size, PING and PADDING, that count neither
 * against the window nor as congestion when they are lost.
 *
 * Beyond Ethernet's size only the loopback is tried: on another interface the kernel, where it was not told otherwise,
 * cuts such a datagram into fragments itself, and it arrives.
 *
 * Each size is tried once. The kernel, unless told otherwise, drops the first probe that is too large, learns from the
 * ICMP answer, and from then on *fragments* such datagrams itself: a second try would arrive and prove nothing.
 */
import { scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import { BASE_DATAGRAM_BYTES } from './packet.ts'

/** Ethernet over IPv4: no path beyond this host carries more without fragments, but for those of jumbo frames. */
const ETHERNET_DATAGRAM_BYTES = 1472

/** Jumbo frames over IPv4. The loopback would carry 64 KiB, but in such lumps neither pacing nor a loss is fine enough. */
export const LARGEST_DATAGRAM_BYTES = 8972

/** IPv6's least; a VPN's; PPPoE with a tunnel; PPPoE over IPv6; Ethernet over IPv4; the loopback. */
const DATAGRAM_SIZES = [
  BASE_DATAGRAM_BYTES,
  1280,
  1350,
  1400,
  1452,
  ETHERNET_DATAGRAM_BYTES,
  LARGEST_DATAGRAM_BYTES,
] as const

/** What the kernel learned from ICMP is forgotten by then. */
const SEARCH_AGAIN_MS = 600_000

/** A conversation of small packets has no use for larger ones, and is left in peace. */
const FULL_PACKETS_BEFORE_SEARCH = 16

/** Losses of large packets alone, each at least a PTO after the one before: the path does not carry them any more. */
const BLACK_HOLE_SUSPICIONS = 3

export class MtuDiscovery {
  readonly #peerLargest: number
  #largest: number
  #current: number = BASE_DATAGRAM_BYTES
  #next: number | undefined
  #probe: { readonly number: number; readonly bytes: number } | undefined
  #searchFrom: Instant | undefined
  #fullPackets = 0
  #suspicions = 0
  #suspectedAt: Instant | undefined

  /** `peerLargest`: what the peer takes. */
  constructor(peerLargest: number, to: Endpoint) {
    this.#peerLargest = peerLargest
    this.#largest = this.#largestTo(to)
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
  reset(to: Endpoint): void {
    this.#largest = this.#largestTo(to)
    this.#setCurrent(BASE_DATAGRAM_BYTES)
    this.#probe = undefined
    this.#searchFrom = undefined
    this.#fullPackets = 0
    this.#suspicions = 0
  }

  #largestTo(to: Endpoint): number {
    const isLoopback = scopeOf(to) === 'loopback'
    return Math.min(
      this.#peerLargest,
      isLoopback ? LARGEST_DATAGRAM_BYTES : ETHERNET_DATAGRAM_BYTES,
    )
  }

  #setCurrent(bytes: number): void {
    this.#current = bytes
    this.#next = DATAGRAM_SIZES.find((size) => size > bytes && size <= this.#largest)
  }
}
