/** How much may be under way in each state (draft-ietf-ccwg-bbr §5.6.4), from what the model says that fills the path. */
import { initialWindow, MAX_WINDOW_BYTES } from '../controller.ts'
import type { PathModel } from './path-model.ts'
import { type BbrState, isMakingRoom } from './state.ts'

/** §2.5: in start-up, so that the rate can double. */
const STARTUP_GAIN = 2

/** A probe at 1.25 has a quarter more in flight after a round; the rest is room for what it finds. Draft: 2.25. */
const UP_GAIN = 2.25
const UP_EXTRA_PACKETS = 2

/** Control frames and chat may exceed a full window by this: it is what they were made for, and they are small. */
const URGENT_PACKETS = 4

export interface WindowCircumstances {
  readonly state: BbrState
  /** The pipe has been full: the window is what the model says. Before, it only grows. */
  readonly hasBeenFull: boolean
  /** Bytes, so far. */
  readonly delivered: number
  /** What PROBE-RTT allows, and what the rules of the others allow. */
  readonly probeRttBytes: number
  readonly competingBytes: number
}

export class Window {
  readonly #model: PathModel
  #bytes: number

  constructor(model: PathModel) {
    this.#model = model
    this.#bytes = initialWindow(model.datagramBytes)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** For control frames and chat: a queue is drained for their sake, so they need not wait for it. */
  urgentBytes(state: BbrState): number {
    const { bdpBytes, datagramBytes } = this.#model
    const more = isMakingRoom(state) ? UP_GAIN * bdpBytes : 0
    return Math.max(this.#bytes, more) + URGENT_PACKETS * datagramBytes
  }

  /** Not less than this. */
  raiseTo(bytes: number): void {
    this.#bytes = Math.max(this.#bytes, bytes)
  }

  /** As little as there may be. */
  collapse(): void {
    this.#bytes = this.#model.minBytes
  }

  /** Grows by what was acknowledged, up to what the state allows. */
  handleAck(ackedBytes: number, circumstances: WindowCircumstances): void {
    const { state, hasBeenFull, delivered, probeRttBytes } = circumstances
    const { minBytes, datagramBytes } = this.#model
    const most = this.#most(circumstances)
    let bytes = this.#bytes + ackedBytes
    if (hasBeenFull) bytes = Math.min(bytes, most)
    else if (this.#bytes >= most && delivered >= initialWindow(datagramBytes)) bytes = this.#bytes
    if (state === 'compete') bytes = most
    else if (state === 'probe-rtt') bytes = Math.min(bytes, probeRttBytes)
    bytes = Math.min(bytes, this.#bound(state), MAX_WINDOW_BYTES)
    this.#bytes = Math.max(bytes, minBytes)
  }

  #most({ state, probeRttBytes, competingBytes }: WindowCircumstances): number {
    const { bdpBytes, aggregation, drainedBytes, cruisingBytes, datagramBytes } = this.#model
    switch (state) {
      case 'startup':
        return STARTUP_GAIN * bdpBytes + aggregation.extraBytes
      case 'drain':
      case 'down':
        return drainedBytes
      case 'cruise':
      case 'refill':
        return cruisingBytes
      case 'up':
        return Math.max(UP_GAIN * bdpBytes, cruisingBytes) + UP_EXTRA_PACKETS * datagramBytes
      case 'probe-rtt':
        return probeRttBytes
      case 'compete':
        return Math.max(competingBytes, cruisingBytes)
    }
  }

  // §5.6.4.7
  #bound(state: BbrState): number {
    const { limit, shortTerm, datagramBytes } = this.#model
    if (state === 'startup' || state === 'compete') return Infinity
    const isLeavingRoom = state === 'cruise' || state === 'probe-rtt'
    const cap = isLeavingRoom ? limit.withHeadroom(datagramBytes) : limit.bytes
    return Math.min(cap, shortTerm.inFlightBytes)
  }
}
