import type { PathModel } from './path-model.ts'

/** What a loss changed, in case that it turns out to be none (draft-ietf-ccwg-bbr §5.5.11). */
export class UndoState {
  /** The state that was left because of the loss. */
  cause: 'none' | 'startup' | 'up' = 'none'
  #window = 0
  #bandwidth = Infinity
  #inFlight = Infinity
  #limit = Infinity

  get windowBytes(): number {
    return this.#window
  }

  save(windowBytes: number, model: PathModel): void {
    this.cause = 'none'
    this.#window = windowBytes
    this.#bandwidth = model.shortTerm.bandwidth
    this.#inFlight = model.shortTerm.inFlightBytes
    this.#limit = model.limit.bytes
  }

  restore(model: PathModel): void {
    this.cause = 'none'
    model.shortTerm.raiseTo(this.#bandwidth, this.#inFlight)
    if (this.#limit > model.limit.bytes) model.limit.set(this.#limit)
  }

  clear(): void {
    this.cause = 'none'
    this.#window = 0
    this.#bandwidth = 0
    this.#inFlight = 0
    this.#limit = 0
  }
}
