/**
 * A queue that stands although we do not probe. For one round we only send no faster than it goes; when it still stands,
 * we look whose it is: with half a pipe of ours in flight it goes if it was ours, and stays if others fill it.
 */
import type { Round } from './rounds.ts'

/** The first round may still have been measured before the path changed; what the second one delivered is what there is. */
const ROUNDS_BEFORE_LOOK = 2

export type QueueVerdict = 'none' | 'standing' | 'worth-a-look' | 'gone'

export class StandingQueue {
  #rounds = 0
  #rate = 0
  #rttMs = 0
  #windowBefore = 0

  get isStanding(): boolean {
    return this.#rounds > 0
  }

  /** What the path delivered while the queue stood, in bytes per ms: as it never emptied, exactly what there is for us. */
  get rate(): number {
    return this.#rate
  }

  /** The round trip with it. */
  get rttMs(): number {
    return this.#rttMs
  }

  /** The window when it was seen first. */
  get windowBefore(): number {
    return this.#windowBefore
  }

  /** At the end of a round. */
  judge(round: Readonly<Round>, standingRttMs: number, windowBytes: number): QueueVerdict {
    if (round.rttSamples === 0 || round.isAppLimited) return 'none'
    if (round.rttMs <= standingRttMs) {
      const stood = this.isStanding
      this.clear()
      return stood ? 'gone' : 'none'
    }
    if (!this.isStanding) this.#windowBefore = windowBytes
    this.#rounds += 1
    this.#note(round)
    return this.#rounds >= ROUNDS_BEFORE_LOOK ? 'worth-a-look' : 'standing'
  }

  /** There may be one: a look will tell. */
  suspect(round: Readonly<Round>, windowBytes: number): void {
    this.#windowBefore = windowBytes
    this.#note(round)
  }

  clear(): void {
    this.#rounds = 0
  }

  #note(round: Readonly<Round>): void {
    this.#rate = round.bandwidth
    this.#rttMs = round.rttMs
  }
}
