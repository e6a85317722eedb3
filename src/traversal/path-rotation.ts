/**
 * Carriers end a mapping at a certain age, however much it is used. Where direct paths die at the same age again, the
 * next one is replaced before: a second socket is punched while the first one still carries (make before break).
 */
import { after, type Instant } from '../core/instant.ts'

/** A NAT's clock and ours are exact; how long it takes to notice a death is not. */
const SAME_RATIO = 0.1
const SAME_MS = 5_000

/** Younger deaths have other reasons, or would want a punch more often than is decent. */
const LEAST_AGE_MS = 30_000

/** A second socket is found within a second; what is left of the life is for trying again. */
const ROTATE_AT = 0.8

/** After an attempt that brought nothing, as a share of the life. */
const AGAIN_AFTER = 0.05

export class PathRotation {
  #lastAgeMs: number | undefined
  #limitMs: number | undefined
  #notBefore: Instant | undefined

  /** How old paths become here; `undefined` while nothing has repeated. */
  get limitMs(): number | undefined {
    return this.#limitMs
  }

  /** The path that carried data died by itself, or our mapping did: so old was it when it was heard last. */
  noteDeath(ageMs: number): void {
    const before = this.#lastAgeMs
    this.#lastAgeMs = ageMs
    if (before === undefined || ageMs < LEAST_AGE_MS) return
    const isRepeated =
      Math.abs(ageMs - before) <= Math.max(SAME_MS, SAME_RATIO * Math.max(ageMs, before))
    this.#limitMs = isRepeated ? Math.min(ageMs, before, this.#limitMs ?? Infinity) : undefined
  }

  /** The network is another one. */
  forget(): void {
    this.#lastAgeMs = undefined
    this.#limitMs = undefined
    this.#notBefore = undefined
  }

  /** When a path that works since then, by the same mapping, is to be replaced. */
  dueAt(since: Instant): Instant | undefined {
    if (this.#limitMs === undefined) return undefined
    const due = after(since, ROTATE_AT * this.#limitMs)
    return this.#notBefore !== undefined && this.#notBefore > due ? this.#notBefore : due
  }

  /** It is being tried. */
  noteTried(now: Instant): void {
    if (this.#limitMs !== undefined) this.#notBefore = after(now, AGAIN_AFTER * this.#limitMs)
  }
}
