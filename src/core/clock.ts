import type { Instant } from './instant.ts'

/** Where programs get the time. Machines never hold one: they are told. */
export interface Clock {
  /** The monotonic clock. */
  now(): Instant
  /** The wall clock, in milliseconds since 1970 UTC: for people and for stored records, never for timers. */
  wallNow(): number
}
