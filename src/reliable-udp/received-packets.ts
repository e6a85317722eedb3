/**
 * What was received and when to say so (RFC 9000 §13.2). An acknowledgement for each packet doubles everybody's work;
 * one too late costs a retransmission. So: every second packet at first, later every eighth, and after a quarter of
 * the round trip at most; at once when the sender asks (PING, chat, its last packet before silence), and sooner when a
 * gap appeared.
 */
import { after, type Instant } from '../core/instant.ts'
import { MAX_ACK_RANGES } from './frame.ts'
import { RangeSet } from './range-set.ts'

/** What we promise the peer to wait at most, in every case (transport parameter max_ack_delay). */
export const MAX_ACK_DELAY_MS = 25

/** A timer cannot be finer. */
const MIN_ACK_DELAY_MS = 1

/** While the sender's window is small, it needs every acknowledgement to grow (RFC 9002 §7.8's slow start). */
const EAGER_PACKETS = 100
const EAGER_THRESHOLD = 2
const CALM_THRESHOLD = 8

/**
 * An acknowledgement that is due waits for the end of the event loop's turn (a deadline of `now`): what else arrived
 * meanwhile is acknowledged with it, and an answer carries it. But not beyond so many packets: the sender's window
 * moves by what it hears.
 */
const MOST_PENDING = 64

/**
 * Packets that only acknowledge are never acknowledged themselves, so their ranges would be repeated for ever: after
 * this many a PING goes along (RFC 9000 §13.2.4).
 */
const ACKS_BEFORE_PING = 32

export class ReceivedPackets {
  readonly #ranges = new RangeSet() // ≤ MAX_ACK_RANGES, oldest dropped
  #largestAt: Instant | undefined
  #elicitingTotal = 0
  #elicitingPending = 0
  #deadline: Instant | undefined
  #isDueNow = false
  #hasNews = false
  #bareAcks = 0

  get ranges(): RangeSet {
    return this.#ranges
  }

  get largest(): number {
    return this.#ranges.end - 1
  }

  /** An acknowledgement must go now, if need be in a packet of its own. */
  get isDue(): boolean {
    return this.#isDueNow
  }

  /** Something is not acknowledged yet: worth adding to any packet that goes anyway. */
  get hasNews(): boolean {
    return this.#hasNews && !this.#ranges.isEmpty
  }

  get deadline(): Instant | undefined {
    return this.#deadline
  }

  /** Whether a packet that would only acknowledge should carry a PING as well. */
  get wantsPing(): boolean {
    return this.#bareAcks >= ACKS_BEFORE_PING
  }

  delayMs(now: Instant): number {
    return this.#largestAt === undefined ? 0 : Math.max(0, now - this.#largestAt)
  }

  /** A data packet was opened and its frames were taken in. */
  handleReceived(
    now: Instant,
    number: number,
    isEliciting: boolean,
    wantsAckNow: boolean,
    rttMs: number,
  ): void {
    const expected = this.#ranges.end
    if (number >= expected) this.#largestAt = now
    this.#ranges.add(number, number + 1)
    if (this.#ranges.count > MAX_ACK_RANGES) this.#ranges.dropFirst()
    if (!isEliciting) return
    this.#hasNews = true
    this.#elicitingTotal += 1
    this.#elicitingPending += 1
    const threshold = this.#elicitingTotal <= EAGER_PACKETS ? EAGER_THRESHOLD : CALM_THRESHOLD
    const pending = this.#elicitingPending
    if (pending >= MOST_PENDING) this.#isDueNow = true
    const isDue = wantsAckNow || pending >= threshold
    this.#waitNoLongerThan(now, isDue ? 0 : ackDelay(rttMs, number > expected))
  }

  /** The delay has passed. */
  handleTimeout(): void {
    this.#isDueNow = true
    this.#deadline = undefined
  }

  /** An ACK frame with all the news was put into a packet. */
  handleAckSent(wasBare: boolean): void {
    this.#elicitingPending = 0
    this.#deadline = undefined
    this.#isDueNow = false
    this.#hasNews = false
    this.#bareAcks = wasBare ? this.#bareAcks + 1 : 0
  }

  /** The peer has our word for everything up to `largest`: it need not be repeated. */
  handleAckAcked(largest: number): void {
    // The newest stays, so that an ACK frame always has something to say.
    this.#ranges.removeBelow(Math.min(largest, this.largest))
  }

  #waitNoLongerThan(now: Instant, delayMs: number): void {
    const deadline = after(now, delayMs)
    if (this.#deadline === undefined || deadline < this.#deadline) this.#deadline = deadline
  }
}

// A gap is told after half that time: not at once, since most gaps are packets that overtook one another and close
// by themselves, and the sender waits for a reordering window of its own anyway.
function ackDelay(rttMs: number, isGap: boolean): number {
  const delay = Math.min(rttMs / 4, MAX_ACK_DELAY_MS)
  return Math.max(isGap ? delay / 2 : delay, MIN_ACK_DELAY_MS)
}
