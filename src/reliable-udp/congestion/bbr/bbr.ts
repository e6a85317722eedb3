/**
 * A model of the path instead of a reaction to loss: BBRv3 (draft-ietf-ccwg-bbr), with less queue and more patience with
 * loss than the draft's. Each deviation is explained at its place and in docs/adr/0016.
 *
 * Start-up doubles the rate each round until the bandwidth no longer grows, a queue shows, or too much is lost; then the
 * queue is drained. From then on cycles of two to three seconds: DOWN leaves room, CRUISE sends as fast as the path
 * delivers, REFILL fills the pipe for one round, UP sends a quarter faster to see whether there is more. When the least
 * round trip was not seen for 10 s, PROBE-RTT keeps little in flight until it is.
 *
 *   startup → drain → down → cruise → refill → up → down …      probe-rtt: from any, to cruise (or start-up)
 *                       ↑ a standing queue: make room            compete: while others keep the queue full
 *
 * A sender that keeps the queue short gives everything to one that does not. So where a queue stays although we have made
 * room, we compete by the rules of those who fill it, CUBIC's, and look every few seconds whether they are gone.
 */
import type { Instant } from '../../../core/instant.ts'
import type { Random } from '../../../core/random.ts'
import {
  type AckSample,
  type CongestionController,
  initialWindow,
  type LossSample,
  MAX_WINDOW_BYTES,
} from '../controller.ts'
import { Competition } from './competition.ts'
import { FullPipe, PROBE_GROWTH, STARTUP_GROWTH } from './full-pipe.ts'
import { PathModel } from './path-model.ts'
import { ProbeRtt, type ProbeRttReason } from './probe-rtt.ts'
import { ProbeWait } from './probe-wait.ts'
import { BETA } from './short-term-model.ts'
import { StandingQueue } from './standing-queue.ts'
import { StartupLoss } from './startup-loss.ts'
import { UndoState } from './undo-state.ts'

export type BbrState =
  'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt' | 'compete'

/** draft-ietf-ccwg-bbr §5.6.1; 2.77 doubles the rate each round, 0.9 makes room for what 1.25 may have taken. */
const PACING_GAIN: Readonly<Record<Exclude<BbrState, 'compete'>, number>> = {
  startup: 2.77,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  'probe-rtt': 1,
}

/** §5.6.2: on average a hundredth slower than the path, so that queues go and do not come. */
const PACING_MARGIN = 0.99

/** While the window rules, faster than it, so that pacing never limits it (RFC 9002 §7.7). */
const WINDOW_PACING_GAIN = 1.25

/** §2.5: the window in start-up, so that the rate can double. */
const STARTUP_WINDOW_GAIN = 2

/** A probe at 1.25 has a quarter more in flight after a round; the rest is room for what it finds. Draft: 2.25. */
const UP_WINDOW_GAIN = 2.25
const UP_EXTRA_PACKETS = 2

/** A rise of the round trip that ends start-up and probes: the pipe is full, more would only be queue. */
const FULL_RTT_RISE_MS = 10

/** §5.3.2: a drain that takes longer was based on a wrong bandwidth. */
const DRAIN_ROUNDS = 3

/** Control frames and chat may exceed a full window by this: it is what they were made for, and they are small. */
const URGENT_PACKETS = 4

/** What the ACKs now coming in tell of the last probe (§5.3.3.10). */
type AckPhase = 'none' | 'refilling' | 'probe-starting' | 'probe-feedback' | 'probe-stopping'

export class Bbr implements CongestionController {
  readonly name = 'bbr'
  readonly #model: PathModel
  readonly #wait: ProbeWait
  readonly #pipe = new FullPipe()
  readonly #queue = new StandingQueue()
  readonly #startupLoss = new StartupLoss()
  readonly #probeRtt = new ProbeRtt()
  readonly #competition: Competition
  readonly #undo = new UndoState()
  #state: BbrState = 'startup'
  #stateRounds = 0
  #hasBeenFull = false
  #window: number
  #windowBeforeProbeRtt = 0
  #pacingRate: number | undefined
  #delivered = 0
  #isIdleRestart = false
  #ackPhase: AckPhase = 'none'
  #isProbeSample = false
  #wasProbeTooHigh = false
  #isPrecautionary = false
  #probesSoon = false
  #upRttMs = 0

  constructor(datagramBytes: number, random: Random) {
    this.#model = new PathModel(datagramBytes)
    this.#wait = new ProbeWait(random)
    this.#competition = new Competition(datagramBytes, random)
    this.#window = initialWindow(datagramBytes)
  }

  get state(): BbrState {
    return this.#state
  }

  get windowBytes(): number {
    return this.#window
  }

  get urgentWindowBytes(): number {
    const more = this.#isMakingRoom ? UP_WINDOW_GAIN * this.#model.bdpBytes : 0
    return Math.max(this.#window, more) + URGENT_PACKETS * this.#model.datagramBytes
  }

  get isInSlowStart(): boolean {
    return this.#state === 'startup'
  }

  get pacingRate(): number | undefined {
    return this.#pacingRate
  }

  handleSent(now: Instant, bytes: number, inFlightBytes: number, isAppLimited: boolean): void {
    if (inFlightBytes > bytes || !isAppLimited) return
    // §5.4.1: after idleness at the path's rate, with no gain: it gets there in one round trip.
    this.#isIdleRestart = true
    this.#model.aggregation.restart(now)
    if (this.#isCycling) this.#pace(PACING_GAIN.cruise)
    else if (this.#state === 'probe-rtt' && this.#probeRtt.isDone(now)) this.#leaveProbeRtt(now)
  }

  handleAck(sample: Readonly<AckSample>): void {
    this.#delivered = sample.delivered
    this.#model.handleAck(sample, this.#window, !this.#hasBeenFull)
    this.#competition.handleAck(sample)
    if (this.#model.rounds.isStart) this.#endRound(sample)
    this.#advance(sample)
    this.#checkMinRtt(sample)
    if (sample.ackedBytes > 0) this.#isIdleRestart = false
    this.#setPacing(sample)
    this.#setWindow(sample.ackedBytes)
  }

  handleLoss(sample: Readonly<LossSample>): void {
    const { background, rounds } = this.#model
    rounds.handleLost(sample.lostBytes)
    this.#competition.handleLoss(sample)
    if (sample.isNewEpisode) this.#undo.save(this.#window, this.#model)
    if (!this.#isProbeSample) return
    if (!background.isExceeded(sample.lostSinceSentBytes, sample.sentInFlightBytes)) return
    const inFlight = sample.sentInFlightBytes - sample.lostSinceSentBytes
    this.#handleTooMuchInFlight(sample.now, inFlight, sample.isAppLimited)
  }

  /** Nothing came through for several probe timeouts: whatever is there now is another path. */
  handlePersistentCongestion(now: Instant): void {
    this.#competition.stop()
    this.#queue.clear()
    this.#model.forget()
    this.#undo.clear()
    this.#hasBeenFull = false
    this.#ackPhase = 'none'
    this.#isProbeSample = false
    this.#enterStartup()
    this.#window = this.#model.minBytes
    this.#pacingRate = undefined
    this.#wait.start(now)
  }

  handleSpuriousLoss(): void {
    const { cause } = this.#undo
    this.#competition.handleSpuriousLoss()
    this.#window = Math.max(this.#window, this.#undo.windowBytes)
    this.#undo.restore(this.#model)
    this.#pipe.reset(0, STARTUP_GROWTH)
    if (this.#state === 'probe-rtt' || this.#state === 'compete') return
    if (cause === 'startup' && this.#state !== 'startup') {
      this.#hasBeenFull = false
      this.#enterStartup()
    } else if (cause === 'up' && this.#state !== 'up') {
      this.#startRefill()
    }
  }

  handleDatagramBytes(bytes: number): void {
    this.#model.setDatagramBytes(bytes)
    this.#competition.setDatagramBytes(bytes)
    this.#window = Math.max(this.#window, this.#model.minBytes)
  }

  get #isCycling(): boolean {
    const state = this.#state
    return state === 'down' || state === 'cruise' || state === 'refill' || state === 'up'
  }

  get #isProbing(): boolean {
    return this.#state === 'startup' || this.#state === 'refill' || this.#state === 'up'
  }

  get #isMakingRoom(): boolean {
    const state = this.#state
    return state === 'drain' || state === 'down' || state === 'probe-rtt'
  }

  #enter(state: BbrState): void {
    this.#state = state
    this.#stateRounds = 0
  }

  // Once a round: what was lost and how long it took, in the whole of it.
  #endRound(sample: Readonly<AckSample>): void {
    const { last } = this.#model.rounds
    this.#stateRounds += 1
    this.#wait.handleRound()
    if (!last.isAppLimited && (this.#state === 'startup' || this.#state === 'up'))
      this.#pipe.handleRound(last.bandwidth)
    this.#judgeLoss()
    this.#judgeQueue(sample)
  }

  #judgeLoss(): void {
    const { background, rounds, shortTerm, bandwidth } = this.#model
    const { lostBytes, ackedBytes, rttMs, volume } = rounds.last
    if (this.#state === 'startup') {
      this.#startupLoss.handleRound(rounds.last, this.#pipe.isGrowing, background)
      return
    }
    const isCalm = rttMs <= this.#model.standingRttMs
    if (this.#state === 'cruise' && this.#stateRounds > 1 && isCalm)
      background.handleCalmRound(lostBytes, ackedBytes)
    if (this.#isProbing || this.#state === 'compete') return
    // Departs from §5.5.10.3, where any loss in the round is an answer: that gives way to every bad cable.
    if (!background.isExceeded(lostBytes, lostBytes + ackedBytes)) return
    shortTerm.lowerBandwidth(rounds.last.bandwidth, bandwidth.max)
    shortTerm.lowerInFlight(volume, this.#window)
  }

  #judgeQueue(sample: Readonly<AckSample>): void {
    const settled = this.#state === 'down' ? 2 : 1
    const isCruising = this.#state === 'cruise' || this.#state === 'down'
    if (!isCruising || this.#stateRounds <= settled) return
    const { rounds, standingRttMs, shortTerm, bandwidth, minRtt, minBytes } = this.#model
    switch (this.#queue.judge(rounds.last, standingRttMs, this.#window)) {
      case 'none':
        return
      case 'standing':
        shortTerm.lowerBandwidth(rounds.last.bandwidth, bandwidth.max)
        return
      case 'gone':
        shortTerm.reset()
        return
      case 'worth-a-look':
        this.#enterProbeRtt(
          sample,
          Math.max((this.#queue.rate * minRtt.ms) / 2, minBytes),
          'standing-queue',
        )
        return
    }
  }

  #advance(sample: Readonly<AckSample>): void {
    switch (this.#state) {
      case 'startup':
        this.#checkStartupDone()
        return
      case 'drain':
        this.#checkDrainDone(sample)
        return
      case 'down':
      case 'cruise':
      case 'refill':
      case 'up':
        this.#advanceCycle(sample)
        return
      case 'compete':
        if (this.#competition.isCheckDue(sample.now))
          this.#enterProbeRtt(sample, this.#model.probeRttBytes, 'competing')
        return
      case 'probe-rtt':
        return
    }
  }

  #checkStartupDone(): void {
    const { rounds, minRtt, recentRtt, limit, bdpBytes } = this.#model
    const isQueued = recentRtt.leastMs > minRtt.ms + FULL_RTT_RISE_MS
    if (this.#startupLoss.isTooHigh) {
      this.#undo.cause = 'startup'
      limit.set(Math.max(bdpBytes, rounds.last.volume))
    } else if (!this.#pipe.isFull && !isQueued) return
    // Ended by a queue alone: it may have been somebody else's, so we soon look again.
    this.#probesSoon = isQueued && !this.#pipe.isFull
    this.#hasBeenFull = true
    this.#enter('drain')
  }

  #checkDrainDone(sample: Readonly<AckSample>): void {
    const isDrained = sample.inFlightBytes <= this.#model.drainedBytes
    if (isDrained || this.#stateRounds > DRAIN_ROUNDS) this.#startDown(sample.now)
  }

  #advanceCycle(sample: Readonly<AckSample>): void {
    if (this.#adaptLimit(sample)) return
    switch (this.#state) {
      case 'down':
        if (!this.#checkProbeTime(sample.now) && this.#hasMadeRoom(sample)) this.#enter('cruise')
        return
      case 'cruise':
        this.#checkProbeTime(sample.now)
        return
      case 'refill':
        if (this.#model.rounds.isStart) this.#startUp(sample)
        return
      case 'up':
        if (!this.#isProbeOver(sample)) return
        this.#wasProbeTooHigh = false
        this.#startDown(sample.now)
        return
      case 'startup':
      case 'drain':
      case 'probe-rtt':
      case 'compete':
        return
    }
  }

  #hasMadeRoom(sample: Readonly<AckSample>): boolean {
    const { limit, drainedBytes, minBytes, datagramBytes } = this.#model
    const left = Math.max(limit.withHeadroom(datagramBytes), minBytes)
    return sample.inFlightBytes <= Math.min(left, drainedBytes)
  }

  #checkProbeTime(now: Instant): boolean {
    if (this.#queue.isStanding) return false
    const target = Math.min(this.#model.bdpBytes, this.#window) / this.#model.datagramBytes
    const isSoon = this.#probesSoon && this.#state === 'cruise'
    if (!isSoon && !this.#wait.isOver(now, target)) return false
    this.#startRefill()
    return true
  }

  #isProbeOver(sample: Readonly<AckSample>): boolean {
    const { limit, recentRtt } = this.#model
    if (this.#wasProbeTooHigh && sample.inFlightBytes >= limit.bytes) {
      this.#isPrecautionary = true
      return true
    }
    if (sample.isWindowLimited && this.#window >= limit.bytes) {
      this.#pipe.reset(sample.deliveryRate, PROBE_GROWTH) // the limit held us back, not the path
      return false
    }
    if (this.#pipe.isFull) return true
    return this.#stateRounds > 0 && recentRtt.leastMs > this.#upRttMs + FULL_RTT_RISE_MS
  }

  // §5.3.3.10 AdaptLongTermModel(). True when it decided on another state.
  #adaptLimit(sample: Readonly<AckSample>): boolean {
    const { rounds, bandwidth, background, limit, datagramBytes } = this.#model
    if (rounds.isStart && this.#ackPhase === 'probe-starting') this.#ackPhase = 'probe-feedback'
    if (rounds.isStart && this.#ackPhase === 'probe-stopping') {
      this.#isProbeSample = false
      this.#ackPhase = 'none'
      if (!sample.isAppLimited) bandwidth.advance()
      if (this.#isPrecautionary && !this.#wasProbeTooHigh) {
        this.#startRefill()
        return true
      }
    }
    if (background.isExceeded(sample.lostSinceSentBytes, sample.sentInFlightBytes)) return false
    limit.raiseTo(sample.sentInFlightBytes)
    if (this.#state !== 'up' || limit.bytes === Infinity) return false
    if (!sample.isWindowLimited || this.#window < limit.bytes) return false
    limit.grow(sample.ackedBytes, datagramBytes)
    if (rounds.isStart) limit.steepen(this.#window, datagramBytes)
    return false
  }

  #handleTooMuchInFlight(now: Instant, inFlightBytes: number, isAppLimited: boolean): void {
    const { limit, bdpBytes } = this.#model
    this.#wasProbeTooHigh = true
    this.#isProbeSample = false
    if (!isAppLimited) limit.set(Math.max(inFlightBytes, Math.min(bdpBytes, this.#window) * BETA))
    if (this.#state !== 'up') return
    this.#undo.cause = 'up'
    this.#startDown(now)
  }

  #enterStartup(): void {
    this.#pipe.reset(0, STARTUP_GROWTH)
    this.#startupLoss.clear()
    this.#enter('startup')
  }

  #startDown(now: Instant): void {
    const { rounds } = this.#model
    rounds.forgetSignals()
    rounds.restart(this.#delivered)
    this.#wait.start(now)
    this.#ackPhase = 'probe-stopping'
    this.#enter('down')
  }

  #startRefill(): void {
    const { shortTerm, limit, rounds } = this.#model
    shortTerm.reset()
    limit.beginProbe()
    rounds.restart(this.#delivered)
    this.#isPrecautionary = false
    this.#probesSoon = false
    this.#ackPhase = 'refilling'
    this.#enter('refill')
  }

  #startUp(sample: Readonly<AckSample>): void {
    const { rounds, limit, datagramBytes } = this.#model
    this.#isProbeSample = true
    this.#ackPhase = 'probe-starting'
    this.#upRttMs = rounds.last.rttMs
    rounds.restart(this.#delivered)
    this.#pipe.reset(sample.deliveryRate, PROBE_GROWTH)
    this.#enter('up')
    limit.steepen(this.#window, datagramBytes)
  }

  // §5.3.4.3. A stale estimate is replaced only after room was made to see it.
  #checkMinRtt(sample: Readonly<AckSample>): void {
    const { minRtt } = this.#model
    minRtt.checkExpiry(sample.now)
    // The others' queue hides the path's own round trip: that it is not seen says nothing.
    if (this.#state === 'compete') minRtt.confirm(sample.now)
    if (minRtt.isExpired && this.#state !== 'probe-rtt' && !this.#isIdleRestart)
      this.#enterProbeRtt(sample, this.#model.probeRttBytes, 'stale')
    this.#model.updateMinRtt(sample.now, sample.rttMs)
    if (this.#state !== 'probe-rtt') return
    this.#probeRtt.handleAck(sample, this.#model.rounds)
    if (this.#probeRtt.isDone(sample.now)) this.#leaveProbeRtt(sample.now)
  }

  #enterProbeRtt(sample: Readonly<AckSample>, windowBytes: number, reason: ProbeRttReason): void {
    this.#windowBeforeProbeRtt = this.#window
    this.#probeRtt.start(windowBytes, reason)
    this.#ackPhase = 'probe-stopping'
    this.#model.rounds.restart(sample.delivered)
    this.#enter('probe-rtt')
  }

  #leaveProbeRtt(now: Instant): void {
    const { minRtt, shortTerm, bandwidth, emptyRttMs, standingRttMs } = this.#model
    const { rttMs } = this.#probeRtt
    const isOurs = rttMs <= emptyRttMs
    const isTheirs = rttMs > standingRttMs
    shortTerm.reset()
    switch (this.#probeRtt.reason) {
      case 'stale':
        minRtt.confirm(now)
        this.#window = Math.max(this.#window, this.#windowBeforeProbeRtt)
        break
      case 'standing-queue':
        this.#queue.clear()
        // In between it is another flow like ours, which keeps it within bounds.
        if (isOurs) bandwidth.replace(this.#queue.rate)
        if (isTheirs) {
          this.#competition.start(now, this.#queue.windowBefore)
          this.#enter('compete')
          return
        }
        break
      case 'competing':
        bandwidth.advance()
        if (!isOurs && this.#competition.resume(now)) {
          this.#enter('compete')
          return
        }
        if (!isOurs) minRtt.replace(now, rttMs)
        this.#competition.stop()
        break
    }
    if (!this.#hasBeenFull) {
      this.#enterStartup()
      return
    }
    this.#startDown(now)
    this.#enter('cruise')
  }

  #setPacing(sample: Readonly<AckSample>): void {
    if (this.#state === 'compete') {
      this.#pacingRate = (WINDOW_PACING_GAIN * this.#window) / sample.smoothedRttMs
      return
    }
    if (!this.#hasBeenFull) {
      // Until something is known: the initial window in a round trip.
      const initial = initialWindow(this.#model.datagramBytes) / sample.smoothedRttMs
      this.#pacingRate = Math.max(this.#pacingRate ?? 0, initial * PACING_GAIN.startup)
    }
    this.#pace(PACING_GAIN[this.#state])
    const near = this.#model.nearBytes / sample.smoothedRttMs
    if (near > (this.#pacingRate ?? 0)) this.#pacingRate = near
  }

  #pace(gain: number): void {
    const rate = gain * PACING_MARGIN * this.#model.rate
    if (this.#hasBeenFull || rate > (this.#pacingRate ?? 0)) this.#pacingRate = rate
  }

  #setWindow(ackedBytes: number): void {
    const most = this.#mostInFlight
    const { minBytes } = this.#model
    let window = this.#window + ackedBytes
    if (this.#hasBeenFull) window = Math.min(window, most)
    else if (this.#window >= most && this.#delivered >= initialWindow(this.#model.datagramBytes))
      window = this.#window
    if (this.#state === 'compete') window = most
    else if (this.#state === 'probe-rtt') window = Math.min(window, this.#probeRtt.windowBytes)
    window = Math.min(window, this.#bound, MAX_WINDOW_BYTES)
    this.#window = Math.max(window, minBytes)
  }

  get #mostInFlight(): number {
    const { bdpBytes, aggregation, drainedBytes, cruisingBytes, datagramBytes } = this.#model
    switch (this.#state) {
      case 'startup':
        return STARTUP_WINDOW_GAIN * bdpBytes + aggregation.extraBytes
      case 'drain':
      case 'down':
        return drainedBytes
      case 'cruise':
      case 'refill':
        return cruisingBytes
      case 'up':
        return Math.max(UP_WINDOW_GAIN * bdpBytes, cruisingBytes) + UP_EXTRA_PACKETS * datagramBytes
      case 'probe-rtt':
        return this.#probeRtt.windowBytes
      case 'compete':
        return Math.max(this.#competition.windowBytes, cruisingBytes)
    }
  }

  // §5.6.4.7
  get #bound(): number {
    const { limit, shortTerm, datagramBytes } = this.#model
    if (this.#state === 'startup' || this.#state === 'compete') return Infinity
    const isLeavingRoom = this.#state === 'cruise' || this.#state === 'probe-rtt'
    const cap = isLeavingRoom ? limit.withHeadroom(datagramBytes) : limit.bytes
    return Math.min(cap, shortTerm.inFlightBytes)
  }
}
