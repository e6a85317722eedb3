/**
 * How much may be under way: one controller per connection and path, behind this interface. Loss recovery finds out
 * what was acknowledged and what was lost; a controller only draws conclusions. It sees no packet, timer or frame.
 */
import type { Instant } from '../../core/instant.ts'
import type { Random } from '../../core/random.ts'

/** RFC 9002 §7.2: ten packets, but no more than this. */
export const INITIAL_WINDOW_BYTES = 14_720
export const INITIAL_WINDOW_PACKETS = 10
export const MIN_WINDOW_PACKETS = 2

/** Beyond the largest flow-control window nothing can be under way. */
export const MAX_WINDOW_BYTES = 32 * 1024 * 1024

/** What one ACK frame told. The same object is filled again for the next one: copy what is kept. */
export interface AckSample {
  now: Instant
  /** Newly acknowledged, of what counts against the window. */
  ackedBytes: number
  /** Of these, what was sent after the last reduction began: only it may let the window grow (RFC 9002 §7.3.2). */
  growthBytes: number
  /** Found lost by this very ACK. */
  lostBytes: number
  /** 0 when this ACK gave no sample. */
  rttMs: number
  /** What the peer says it waited before this ACK; contained in `rttMs`. */
  ackDelayMs: number
  smoothedRttMs: number
  minRttMs: number
  priorInFlightBytes: number
  inFlightBytes: number
  /** Whether the window was what held the sender back (RFC 9002 §7.8). */
  isWindowLimited: boolean
  largestAcked: number
  nextNumber: number
  /** All bytes delivered so far, and those delivered when the newest packet of this ACK was sent. */
  delivered: number
  priorDelivered: number
  /** What was in flight when that packet had been sent, and what was found lost since. */
  sentInFlightBytes: number
  lostSinceSentBytes: number
  /** Bytes per ms over the longer of the send and the ACK interval; 0 when it could not be measured. */
  deliveryRate: number
  /** That rate says what the application sent, not what the path can carry. */
  isAppLimited: boolean
}

export interface LossSample {
  now: Instant
  lostBytes: number
  inFlightBytes: number
  delivered: number
  /** What was in flight when the newest of the lost packets had been sent, and what was found lost since, it included. */
  sentInFlightBytes: number
  lostSinceSentBytes: number
  /** That packet was sent when the application had nothing more to send. */
  isAppLimited: boolean
  /** False for further losses of a round trip that was already answered. */
  isNewEpisode: boolean
}

export interface CongestionController {
  readonly name: string
  /** May have a fraction; loss recovery takes the whole bytes of it. */
  readonly windowBytes: number
  /** The same for control frames and chat: not less, and more while a queue is being drained for their sake. */
  readonly urgentWindowBytes: number
  readonly isInSlowStart: boolean
  /** Bytes per ms; `undefined` leaves it to the pacer, which spreads the window over the round trip. */
  readonly pacingRate: number | undefined
  /** `inFlightBytes` counts the packet; `isAppLimited`: before it the application had nothing to send. */
  handleSent(now: Instant, bytes: number, inFlightBytes: number, isAppLimited: boolean): void
  handleAck(sample: Readonly<AckSample>): void
  handleLoss(sample: Readonly<LossSample>): void
  /** RFC 9002 §7.6.2 */
  handlePersistentCongestion(now: Instant): void
  /** Everything that was thought lost in the last episode arrived after all. */
  handleSpuriousLoss(now: Instant): void
  /** The path carries larger packets than before, or smaller ones. */
  handleDatagramBytes(bytes: number): void
}

export type ControllerFactory = (
  now: Instant,
  datagramBytes: number,
  random: Random,
) => CongestionController

export function initialWindow(datagramBytes: number): number {
  const packets = INITIAL_WINDOW_PACKETS * datagramBytes
  return Math.min(packets, Math.max(INITIAL_WINDOW_BYTES, MIN_WINDOW_PACKETS * datagramBytes))
}

/** To be filled for each ACK. */
export function emptyAckSample(): AckSample {
  return {
    now: 0 as Instant,
    ackedBytes: 0,
    growthBytes: 0,
    lostBytes: 0,
    rttMs: 0,
    ackDelayMs: 0,
    smoothedRttMs: 0,
    minRttMs: 0,
    priorInFlightBytes: 0,
    inFlightBytes: 0,
    isWindowLimited: false,
    largestAcked: -1,
    nextNumber: 0,
    delivered: 0,
    priorDelivered: -1,
    sentInFlightBytes: 0,
    lostSinceSentBytes: 0,
    deliveryRate: 0,
    isAppLimited: false,
  }
}

/** To be filled for each finding of losses. */
export function emptyLossSample(): LossSample {
  return {
    now: 0 as Instant,
    lostBytes: 0,
    inFlightBytes: 0,
    delivered: 0,
    sentInFlightBytes: 0,
    lostSinceSentBytes: 0,
    isAppLimited: false,
    isNewEpisode: false,
  }
}
