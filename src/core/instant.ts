declare const monotonic: unique symbol

/**
 * A moment on a monotonic clock, in milliseconds (fractions allowed). Never a wall-clock date: it stands still
 * while the machine sleeps and means nothing in another process.
 */
export type Instant = number & { readonly [monotonic]: true }

/** Brands a monotonic clock's reading. Only clocks and tests call this. */
export function instant(ms: number): Instant {
  return ms as Instant
}

/** The instant `ms` milliseconds after `start` (before it, when negative). */
export function after(start: Instant, ms: number): Instant {
  return (start + ms) as Instant
}

/** The earliest of some deadlines, where `undefined` means "none". */
export function earliest(...deadlines: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined
  for (const deadline of deadlines) {
    if (deadline !== undefined && (first === undefined || deadline < first)) first = deadline
  }
  return first
}
