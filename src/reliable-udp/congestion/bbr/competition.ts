/**
 * CUBIC for as long as others keep the queue full: equal to TCP, neither above nor below. It joins as a new flow would,
 * growing until the first loss, since the window it comes with is what the others left us. From time to time room is made
 * for a round trip; when the queue goes with it, there is nobody else any more.
 */
import type { Instant } from '../../../core/instant.ts'
import { type Random, uniform } from '../../../core/random.ts'
import type { AckSample, LossSample } from '../controller.ts'
import { Cubic } from '../cubic.ts'

/** Two round trips with half the window in flight, of 3 to 4 s: 2 % of the share. Random, so that two do not alternate. */
const CHECK_MS = 5000
const RANDOM_CHECK_MS = 1000

/** After so many looks, half a minute, it is believed that not others but the path made the round trips longer. */
const MOST_CHECKS = 10

/**
 * Whoever comes from cruising has a share already, and takes a quarter more each round trip (RFC 9406's careful slow start).
 * A new flow has next to none and doubles, as a new TCP does.
 */
const JOINING_GROWTH = 1 / 4
const NEW_GROWTH = 1

/** It ends at the first loss; or, where nothing is ever lost, when the round trip is so many times what the others made it. */
const MOST_RTT_GROWTH = 2

/** How we came to compete. */
export interface Joining {
  readonly windowBytes: number
  /** With little of ours in the queue. */
  readonly rttMs: number
  /** From start-up: there is no share yet. */
  readonly isNew: boolean
}

export class Competition {
  readonly #random: Random
  readonly #cubic: Cubic
  #isOn = false
  #isJoining = false
  #growth = JOINING_GROWTH
  #mostRttMs = 0
  #window = 0
  #checkAt = 0
  #checks = 0

  constructor(datagramBytes: number, random: Random) {
    this.#random = random
    this.#cubic = new Cubic(datagramBytes)
  }

  /** Also while it makes room for a look. */
  get isOn(): boolean {
    return this.#isOn
  }

  get windowBytes(): number {
    return this.#isJoining ? this.#window : this.#cubic.windowBytes
  }

  start(now: Instant, { windowBytes, rttMs, isNew }: Joining): void {
    this.#isOn = true
    this.#checks = 0
    this.#isJoining = true
    this.#growth = isNew ? NEW_GROWTH : JOINING_GROWTH
    this.#mostRttMs = MOST_RTT_GROWTH * rttMs
    this.#window = windowBytes
    this.#waitForCheck(now)
  }

  /** A look found the queue as it was. False when that was so for too long. */
  resume(now: Instant): boolean {
    this.#checks += 1
    this.#waitForCheck(now)
    return this.#checks < MOST_CHECKS
  }

  #waitForCheck(now: Instant): void {
    this.#checkAt = now + CHECK_MS + uniform(this.#random) * RANDOM_CHECK_MS
  }

  stop(): void {
    this.#isOn = false
  }

  isCheckDue(now: Instant): boolean {
    return now >= this.#checkAt
  }

  handleAck(sample: Readonly<AckSample>): void {
    if (!this.#isOn) return
    if (!this.#isJoining) this.#cubic.handleAck(sample)
    else if (sample.rttMs - sample.ackDelayMs > this.#mostRttMs) this.#haveJoined()
    else if (sample.isWindowLimited) this.#window += sample.growthBytes * this.#growth
  }

  handleLoss(sample: Readonly<LossSample>): void {
    if (!this.#isOn) return
    if (this.#isJoining && sample.isNewEpisode) this.#haveJoined()
    this.#cubic.handleLoss(sample)
  }

  #haveJoined(): void {
    this.#isJoining = false
    this.#cubic.continueAt(this.#window)
  }

  handleSpuriousLoss(): void {
    if (this.#isOn && !this.#isJoining) this.#cubic.handleSpuriousLoss()
  }

  setDatagramBytes(bytes: number): void {
    this.#cubic.handleDatagramBytes(bytes)
  }
}
