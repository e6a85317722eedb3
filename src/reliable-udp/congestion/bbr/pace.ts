/** How fast to send in each state (draft-ietf-ccwg-bbr §5.6.2), from what the model says that the path delivers. */
import { initialWindow } from '../controller.ts'
import type { PathModel } from './path-model.ts'
import type { BbrState } from './state.ts'

/** draft-ietf-ccwg-bbr §5.6.1; 2.77 doubles the rate each round, 0.9 makes room for what 1.25 may have taken. */
const GAIN: Readonly<Record<Exclude<BbrState, 'compete'>, number>> = {
  startup: 2.77,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  'probe-rtt': 1,
}

/** §5.6.2: on average a hundredth slower than the path, so that queues go and do not come. */
const MARGIN = 0.99

/**
 * The bandwidth is the highest of many samples, and on real hosts, which handle in one turn what came in a millisecond or
 * two, that is 2 to 3 % too high (test: "beside a file …"). At such a rate the queue grows up to the window's edge and stays there. So we cruise
 * slower the longer the queue was for a whole round, by at most 4 %; in balance a few milliseconds of it are left.
 */
const MOST_TRIM = 0.04
const TRIM_RANGE = 1 / 8

/** While the window rules, faster than it, so that pacing never limits it (RFC 9002 §7.7). */
const WINDOW_GAIN = 1.25

export class Pace {
  readonly #model: PathModel
  #rate: number | undefined

  constructor(model: PathModel) {
    this.#model = model
  }

  /** Bytes per ms; `undefined` until something is known. */
  get rate(): number | undefined {
    return this.#rate
  }

  /** `mayFall`: once the pipe has been full; before, the rate only grows (§5.6.2). */
  update(state: BbrState, mayFall: boolean, windowBytes: number, smoothedRttMs: number): void {
    if (state === 'compete') {
      this.#rate = (WINDOW_GAIN * windowBytes) / smoothedRttMs
      return
    }
    if (!mayFall) {
      // Until something is known: the initial window in a round trip.
      const initial = initialWindow(this.#model.datagramBytes) / smoothedRttMs
      this.#rate = Math.max(this.#rate ?? 0, initial * GAIN.startup)
    }
    this.#set(state === 'cruise' ? GAIN.cruise - this.#trim : GAIN[state], mayFall)
    this.#rate = Math.max(this.#rate ?? 0, this.#model.nearBytes / smoothedRttMs)
  }

  /** §5.4.1: after idleness at the path's rate, with no gain: it gets there in one round trip. */
  restart(mayFall: boolean): void {
    this.#set(GAIN.cruise, mayFall)
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#rate = undefined
  }

  // At 4 % an eighth of a round trip of queue is gone after three of them: it does not swing.
  get #trim(): number {
    const { rounds, toleratedRttMs, minRtt } = this.#model
    const { rttMs, rttSamples } = rounds.last
    if (rttSamples === 0) return 0
    const share = (rttMs - toleratedRttMs) / (TRIM_RANGE * minRtt.ms)
    return MOST_TRIM * Math.min(Math.max(share, 0), 1)
  }

  #set(gain: number, mayFall: boolean): void {
    const rate = gain * MARGIN * this.#model.rate
    if (mayFall || rate > (this.#rate ?? 0)) this.#rate = rate
  }
}
