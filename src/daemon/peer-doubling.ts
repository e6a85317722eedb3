/**
 * The first data on a direct path goes over the relay as well, until something has come back by the direct one or a
 * second has passed: a path that carries probes may still not carry what follows, and nobody should wait to find out.
 * The connection drops what it has by its packet numbers.
 */
import { after, type Instant } from '../core/instant.ts'

const DOUBLING_MS = 1_000

/** The first flight of a connection that knows its window; more would only fill the relay. */
const MAX_DOUBLED = 64

export class Doubling {
  #until: Instant | undefined
  #rttMs = 0
  #doubledAt: Instant | undefined
  #left = 0

  /** A direct path has just taken the relay's place. */
  begin(now: Instant, rttMs: number | undefined): void {
    this.#until = after(now, DOUBLING_MS)
    this.#rttMs = rttMs ?? 0
    this.#doubledAt = undefined
    this.#left = MAX_DOUBLED
  }

  end(): void {
    this.#until = undefined
  }

  /** A packet leaves by the direct path: whether it leaves by the relay, too. */
  takes(now: Instant): boolean {
    if (this.#until === undefined || now >= this.#until || this.#left === 0) return false
    this.#doubledAt ??= now
    this.#left -= 1
    return true
  }

  /** A packet came by the direct path; one that answers what was doubled shows that it carries. */
  heard(now: Instant): void {
    if (this.#doubledAt !== undefined && now >= after(this.#doubledAt, this.#rttMs)) this.end()
  }
}
