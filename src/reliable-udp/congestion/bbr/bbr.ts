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
import type { AckSample, CongestionController, LossSample } from '../controller.ts'
import { BandwidthProbe, FULL_RTT_RISE_MS } from './bandwidth-probe.ts'
import { Competition } from './competition.ts'
import { FullPipe, STARTUP_GROWTH } from './full-pipe.ts'
import { Pace } from './pace.ts'
import { PathModel } from './path-model.ts'
import { ProbeRtt, type ProbeRttReason } from './probe-rtt.ts'
import { ProbeWait } from './probe-wait.ts'
import { StandingQueue } from './standing-queue.ts'
import { StartupLoss } from './startup-loss.ts'
import { type BbrState, isCycling, isProbing } from './state.ts'
import { UndoState } from './undo-state.ts'
import { Window } from './window.ts'

/** A queue of which so much goes with ours was ours. The rest may be packets that a slower path now takes longer to send. */
const GONE_SHARE = 0.8

/** §5.3.2: a drain that takes longer was based on a wrong bandwidth. */
const DRAIN_ROUNDS = 3

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
  readonly #probe: BandwidthProbe
  readonly #pace: Pace
  readonly #window: Window
  #state: BbrState = 'startup'
  #stateRounds = 0
  #hasBeenFull = false
  #windowBeforeProbeRtt = 0
  #delivered = 0
  #isIdleRestart = false
  #probesSoon = false
  /** A queue ended start-up, and nothing since then has shown what share of the path is ours. */
  #isNew = false

  constructor(datagramBytes: number, random: Random) {
    this.#model = new PathModel(datagramBytes)
    this.#wait = new ProbeWait(random)
    this.#competition = new Competition(datagramBytes, random)
    this.#probe = new BandwidthProbe(this.#model, this.#pipe)
    this.#pace = new Pace(this.#model)
    this.#window = new Window(this.#model)
  }

  get state(): BbrState {
    return this.#state
  }

  get windowBytes(): number {
    return this.#window.bytes
  }

  get urgentWindowBytes(): number {
    return this.#window.urgentBytes(this.#state)
  }

  get isInSlowStart(): boolean {
    return this.#state === 'startup'
  }

  get pacingRate(): number | undefined {
    return this.#pace.rate
  }

  handleSent(now: Instant, bytes: number, inFlightBytes: number, isAppLimited: boolean): void {
    if (inFlightBytes > bytes || !isAppLimited) return
    this.#isIdleRestart = true
    this.#model.aggregation.restart(now)
    if (isCycling(this.#state)) this.#pace.restart(this.#hasBeenFull)
    else if (this.#state === 'probe-rtt' && this.#probeRtt.isDone(now)) this.#leaveProbeRtt(now)
  }

  handleAck(sample: Readonly<AckSample>): void {
    this.#delivered = sample.delivered
    this.#model.handleAck(sample, this.#window.bytes, !this.#hasBeenFull)
    this.#competition.handleAck(sample)
    if (this.#model.rounds.isStart) this.#endRound(sample)
    this.#advance(sample)
    this.#checkMinRtt(sample)
    if (sample.ackedBytes > 0) this.#isIdleRestart = false
    // The pace goes by the window of before this ACK.
    this.#pace.update(this.#state, this.#hasBeenFull, this.windowBytes, sample.smoothedRttMs)
    this.#window.handleAck(sample.ackedBytes, {
      state: this.#state,
      hasBeenFull: this.#hasBeenFull,
      delivered: this.#delivered,
      probeRttBytes: this.#probeRtt.windowBytes,
      competingBytes: this.#competition.windowBytes,
    })
  }

  handleLoss(sample: Readonly<LossSample>): void {
    this.#model.rounds.handleLost(sample.lostBytes)
    this.#competition.handleLoss(sample)
    if (sample.isNewEpisode) this.#undo.save(this.windowBytes, this.#model)
    if (!this.#probe.handleLoss(sample, this.windowBytes) || this.#state !== 'up') return
    this.#undo.cause = 'up'
    this.#startDown(sample.now)
  }

  /** Nothing came through for several probe timeouts: whatever is there now is another path. */
  handlePersistentCongestion(now: Instant): void {
    this.#competition.stop()
    this.#queue.clear()
    this.#model.forget()
    this.#undo.clear()
    this.#probe.forget()
    this.#enterStartup()
    this.#window.collapse()
    this.#pace.forget()
    this.#wait.start(now)
  }

  handleSpuriousLoss(): void {
    const { cause } = this.#undo
    this.#competition.handleSpuriousLoss()
    this.#window.raiseTo(this.#undo.windowBytes)
    this.#undo.restore(this.#model)
    this.#pipe.reset(0, STARTUP_GROWTH)
    if (this.#state === 'probe-rtt' || this.#state === 'compete') return
    if (cause === 'startup' && this.#state !== 'startup') {
      this.#enterStartup()
    } else if (cause === 'up' && this.#state !== 'up') {
      this.#startRefill()
    }
  }

  handleDatagramBytes(bytes: number): void {
    this.#model.setDatagramBytes(bytes)
    this.#competition.setDatagramBytes(bytes)
    this.#window.raiseTo(this.#model.minBytes)
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
    if (this.#probesSoon && this.#state === 'cruise') this.#judgeStartup(sample)
    else this.#judgeQueue(sample)
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
    if (isProbing(this.#state) || this.#state === 'compete') return
    // Departs from §5.5.10.3, where any loss in the round is an answer: that gives way to every bad cable.
    if (!background.isExceeded(lostBytes, lostBytes + ackedBytes)) return
    shortTerm.lowerBandwidth(rounds.last.bandwidth, bandwidth.max)
    shortTerm.lowerInFlight(volume, this.windowBytes)
  }

  // A queue ended start-up, and was drained: a round later it must be gone, if it was ours.
  #judgeStartup(sample: Readonly<AckSample>): void {
    const { rounds, minRtt, recentRtt } = this.#model
    if (recentRtt.leastMs <= minRtt.ms + FULL_RTT_RISE_MS) return
    this.#probesSoon = false
    this.#queue.suspect(rounds.last, this.windowBytes)
    this.#enterProbeRtt(sample, this.#model.probeRttBytes, 'after-startup')
  }

  #judgeQueue(sample: Readonly<AckSample>): void {
    const settled = this.#state === 'down' ? 2 : 1
    const isCruising = this.#state === 'cruise' || this.#state === 'down'
    if (!isCruising || this.#stateRounds <= settled) return
    const { rounds, standingRttMs, shortTerm, bandwidth, minRtt, minBytes } = this.#model
    switch (this.#queue.judge(rounds.last, standingRttMs, this.windowBytes)) {
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
    this.#isNew = this.#probesSoon
    this.#hasBeenFull = true
    this.#enter('drain')
  }

  #checkDrainDone(sample: Readonly<AckSample>): void {
    const isDrained = sample.inFlightBytes <= this.#model.drainedBytes
    if (isDrained || this.#stateRounds > DRAIN_ROUNDS) this.#startDown(sample.now)
  }

  #advanceCycle(sample: Readonly<AckSample>): void {
    if (this.#probe.handleAck(sample, this.#state === 'up', this.windowBytes)) {
      this.#startRefill()
      return
    }
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
        if (this.#probe.isOver(sample, this.windowBytes, this.#stateRounds))
          this.#startDown(sample.now)
        else if (this.#probe.hasFoundAnotherPath) {
          // Far more than was believed, and no end of it: at a quarter a round it would take seconds.
          this.#probe.forget()
          this.#enterStartup()
        }
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
    const target = Math.min(this.#model.bdpBytes, this.windowBytes) / this.#model.datagramBytes
    const isSoon = this.#probesSoon && this.#state === 'cruise' && this.#stateRounds > 0
    if (!isSoon) {
      if (!this.#wait.isOver(now, target)) return false
      this.#isNew = false
    }
    this.#startRefill()
    return true
  }

  #enterStartup(): void {
    this.#hasBeenFull = false
    this.#pipe.reset(0, STARTUP_GROWTH)
    this.#startupLoss.clear()
    this.#enter('startup')
  }

  #startDown(now: Instant): void {
    const { rounds } = this.#model
    rounds.forgetSignals()
    rounds.restart(this.#delivered)
    this.#wait.start(now)
    this.#probe.stop()
    this.#enter('down')
  }

  #startRefill(): void {
    this.#probe.startRefill()
    this.#model.rounds.restart(this.#delivered)
    this.#probesSoon = false
    this.#enter('refill')
  }

  #startUp(sample: Readonly<AckSample>): void {
    this.#probe.startUp(sample, this.windowBytes)
    this.#model.rounds.restart(this.#delivered)
    this.#enter('up')
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

  // Nearly all of a long queue went when we made room, though what is left is more than timers explain.
  #hasQueueGone(rttMs: number): boolean {
    if (this.#probeRtt.reason === 'competing' || this.#probeRtt.reason === 'stale') return false
    return this.#queue.rttMs - rttMs >= GONE_SHARE * (this.#queue.rttMs - this.#model.minRtt.ms)
  }

  #enterProbeRtt(sample: Readonly<AckSample>, windowBytes: number, reason: ProbeRttReason): void {
    this.#windowBeforeProbeRtt = this.windowBytes
    this.#probeRtt.start(windowBytes, reason)
    this.#probe.stop()
    this.#model.rounds.restart(sample.delivered)
    this.#enter('probe-rtt')
  }

  #leaveProbeRtt(now: Instant): void {
    const { minRtt, shortTerm, bandwidth, emptyRttMs } = this.#model
    const { rttMs } = this.#probeRtt
    const isAfterStartup = this.#probeRtt.reason === 'after-startup'
    const isOurs = rttMs <= emptyRttMs || this.#hasQueueGone(rttMs)
    const isTheirs = !isOurs && rttMs > this.#model.foreignRttMs(this.#queue.rate, isAfterStartup)
    shortTerm.reset()
    switch (this.#probeRtt.reason) {
      case 'stale':
        minRtt.confirm(now)
        this.#window.raiseTo(this.#windowBeforeProbeRtt)
        break
      case 'after-startup':
      case 'standing-queue':
        this.#queue.clear()
        // In between it is another flow like ours, which keeps it within bounds.
        if (isOurs) bandwidth.replace(this.#queue.rate)
        if (isTheirs) {
          this.#competition.start(now, {
            windowBytes: this.#queue.windowBefore,
            rttMs,
            isNew: this.#isNew,
          })
          this.#isNew = false
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
    if (isAfterStartup) this.#startRefill()
  }
}
