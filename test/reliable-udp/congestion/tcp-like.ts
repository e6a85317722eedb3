/**
 * Neighbours as TCP would be: CUBIC without the caution of HyStart++ left out (Linux has its own), and the first BBR, which
 * keeps up to two bandwidth-delay products in flight. Real TCP is measured against real sockets; this shows the kind.
 */
import type { Instant } from '../../../src/core/instant.ts'
import type {
  AckSample,
  CongestionController,
} from '../../../src/reliable-udp/congestion/controller.ts'
import { initialWindow } from '../../../src/reliable-udp/congestion/controller.ts'

const GAINS = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const
const HIGH_GAIN = 2.885
const WINDOW_GAIN = 2
const BANDWIDTH_ROUNDS = 10
const MIN_RTT_MS = 10_000
const PROBE_RTT_MS = 200
const PROBE_RTT_PACKETS = 4

/** BBR as Linux has had it since 4.9: no regard for loss at all. */
export class FirstBbr implements CongestionController {
  readonly name = 'bbr1'
  readonly #datagramBytes: number
  readonly #samples: { readonly round: number; readonly rate: number }[] = [] // of BANDWIDTH_ROUNDS
  #window: number
  #rate: number | undefined
  #state: 'startup' | 'drain' | 'probe-bandwidth' | 'probe-rtt' = 'startup'
  #round = 0
  #roundEnd = 0
  #minRttMs = Infinity
  #minRttAt = 0
  #fullRate = 0
  #fullRounds = 0
  #gainIndex = 0
  #gainSince = 0
  #probeRttUntil: number | undefined

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
    this.#window = initialWindow(datagramBytes)
  }

  get windowBytes(): number {
    return this.#window
  }

  get urgentWindowBytes(): number {
    return this.#window
  }

  get isInSlowStart(): boolean {
    return this.#state === 'startup'
  }

  get pacingRate(): number | undefined {
    return this.#rate
  }

  handleSent(): void {
    // Looks at acknowledgements alone.
  }

  handleLoss(): void {
    // Nor does it mind.
  }

  handlePersistentCongestion(): void {
    this.#window = PROBE_RTT_PACKETS * this.#datagramBytes
  }

  handleSpuriousLoss(): void {
    // Nothing was done that could be undone.
  }

  handleDatagramBytes(): void {
    // Small matter.
  }

  handleAck(sample: Readonly<AckSample>): void {
    const isRoundStart = sample.priorDelivered >= this.#roundEnd
    if (isRoundStart) {
      this.#round += 1
      this.#roundEnd = sample.delivered
    }
    if (!sample.isAppLimited || sample.deliveryRate > this.#bandwidth)
      this.#samples.push({ round: this.#round, rate: sample.deliveryRate })
    while (
      this.#samples[0] !== undefined &&
      this.#samples[0].round <= this.#round - BANDWIDTH_ROUNDS
    )
      this.#samples.shift()
    if (isRoundStart) this.#checkFull(sample.isAppLimited)
    this.#advance(sample.now, sample.inFlightBytes)
    this.#updateMinRtt(sample)
    const gain = this.#gain
    const rate = gain * this.#bandwidth
    if (this.#state !== 'startup' || rate > (this.#rate ?? 0)) this.#rate = rate
    const target = Math.max(
      (this.#state === 'startup' ? HIGH_GAIN : WINDOW_GAIN) * this.#bdp,
      PROBE_RTT_PACKETS * this.#datagramBytes,
    )
    this.#window = Math.min(this.#window + sample.ackedBytes, target)
    if (this.#state === 'startup')
      this.#window = Math.max(this.#window, initialWindow(this.#datagramBytes))
    if (this.#state === 'probe-rtt') this.#window = PROBE_RTT_PACKETS * this.#datagramBytes
  }

  get #bandwidth(): number {
    let most = 0
    for (const { rate } of this.#samples) most = Math.max(most, rate)
    return most
  }

  get #bdp(): number {
    return this.#minRttMs === Infinity ? 0 : this.#bandwidth * this.#minRttMs
  }

  get #gain(): number {
    if (this.#state === 'startup') return HIGH_GAIN
    if (this.#state === 'drain') return 1 / HIGH_GAIN
    if (this.#state === 'probe-rtt') return 1
    return GAINS[this.#gainIndex] ?? 1
  }

  #checkFull(isAppLimited: boolean): void {
    if (this.#state !== 'startup' || isAppLimited) return
    const bandwidth = this.#bandwidth
    if (bandwidth >= this.#fullRate * 1.25) {
      this.#fullRate = bandwidth
      this.#fullRounds = 0
      return
    }
    this.#fullRounds += 1
    if (this.#fullRounds >= 3) this.#state = 'drain'
  }

  #advance(now: Instant, inFlightBytes: number): void {
    if (this.#state === 'drain' && inFlightBytes <= this.#bdp) {
      this.#state = 'probe-bandwidth'
      this.#gainIndex = 2
      this.#gainSince = now
    }
    if (this.#state !== 'probe-bandwidth') return
    const isElapsed = now - this.#gainSince > this.#minRttMs
    const gain = this.#gain
    const isOver =
      gain === 1
        ? isElapsed
        : gain > 1
          ? isElapsed && inFlightBytes >= gain * this.#bdp * 0.98
          : isElapsed || inFlightBytes <= this.#bdp
    if (!isOver) return
    this.#gainIndex = (this.#gainIndex + 1) % GAINS.length
    this.#gainSince = now
  }

  #updateMinRtt(sample: Readonly<AckSample>): void {
    const { now, rttMs } = sample
    if (rttMs === 0) return
    const isExpired = now - this.#minRttAt > MIN_RTT_MS && this.#minRttMs !== Infinity
    if (rttMs <= this.#minRttMs || isExpired) {
      this.#minRttMs = rttMs
      this.#minRttAt = now
    }
    if (isExpired && this.#state !== 'probe-rtt' && this.#state !== 'startup') {
      this.#state = 'probe-rtt'
      this.#probeRttUntil = undefined
    }
    if (this.#state !== 'probe-rtt') return
    if (this.#probeRttUntil === undefined) {
      if (sample.inFlightBytes <= PROBE_RTT_PACKETS * this.#datagramBytes)
        this.#probeRttUntil = now + Math.max(PROBE_RTT_MS, this.#minRttMs)
    } else if (now >= this.#probeRttUntil) {
      this.#state = 'probe-bandwidth'
      this.#gainIndex = 2
      this.#gainSince = now
      this.#minRttAt = now
      this.#window = Math.max(this.#window, this.#bdp)
    }
  }
}
