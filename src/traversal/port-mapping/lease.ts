/** How long a mapping is good for, and when to ask for more. */
import type { Endpoint } from '../../core/endpoint.ts'
import { after, type Instant } from '../../core/instant.ts'

export interface Lease {
  readonly external: Endpoint
  readonly lifetimeMs: number
  readonly renewAt: Instant
  readonly expiresAt: Instant
}

/** RFC 6886 §3.3 recommends 7200 s; what dies with us unnoticed is gone in two hours. */
export const LEASE_SECONDS = 7200

/** RFC 6887 §15: a day at most; a gateway that grants 2^32 s would never be asked again. */
const MAX_LEASE_SECONDS = 86_400

/** RFC 6887 §11.2.1: renewals are at least 4 s apart. */
const LEAST_RENEWAL_MS = 4000

/** Renewed at half of its time: RFC 6886 §3.3, and within the 1/2 to 5/8 of RFC 6887 §11.2.1. */
export function leaseOf(now: Instant, external: Endpoint, seconds: number): Lease {
  const lifetimeMs = Math.min(seconds, MAX_LEASE_SECONDS) * 1000
  const renewAt = after(now, Math.max(LEAST_RENEWAL_MS, lifetimeMs / 2))
  return { external, lifetimeMs, renewAt, expiresAt: after(now, lifetimeMs) }
}

/** A renewal that failed is tried again after half of what is left, so that several fit in before the end. */
export function postponed(now: Instant, lease: Lease): Lease {
  const wait = Math.max(LEAST_RENEWAL_MS, (lease.expiresAt - now) / 2)
  return { ...lease, renewAt: after(now, wait) }
}
