/**
 * How many wrong passwords are let through, by the name that was tried and by the network that tried it. A login that
 * succeeds costs nothing, so a crowd of daemons that reconnect is never held up.
 */
import { networkOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import { MOST_STRANGERS_PER_NETWORK } from './gate.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'

/** 10 at once and 40 an hour. An account has two names, its number and its handle: 100 guesses in the first hour. */
const WRONG_BY_NAME: BucketShape = { burst: 10, everyMs: 90_000 }

/** A school or a carrier's NAT is one network, and people there mistype too. */
const WRONG_BY_NETWORK: BucketShape = { burst: 100, everyMs: 6_000 }

/**
 * Challenges that no login came of. A challenge shows the account's salt, the same under its number and its handle:
 * whoever collects them learns which names belong together, so they come slowly. The burst is every connection without
 * a login that one network may have, so a crowd that comes back at once is never held up.
 */
const CHALLENGES_BY_NETWORK: BucketShape = { burst: MOST_STRANGERS_PER_NETWORK, everyMs: 6_000 }

/** New accounts: a class that joins in one lesson, but no robot that takes all the handles. */
const REGISTRATIONS_BY_NETWORK: BucketShape = { burst: 60, everyMs: 30_000 }

export class LoginThrottle {
  readonly #byName = new TokenBuckets(WRONG_BY_NAME)
  readonly #byOwner = new TokenBuckets(WRONG_BY_NAME) // from devices that the account knows
  readonly #byNetwork = new TokenBuckets(WRONG_BY_NETWORK)
  readonly #challenges = new TokenBuckets(CHALLENGES_BY_NETWORK)
  readonly #registrations = new TokenBuckets(REGISTRATIONS_BY_NETWORK)

  /**
   * How long this name must not be tried from there; 0 when it may. A device that the account knows has a bucket of
   * its own, so its owner can log in while somebody else is guessing.
   */
  waitMs(now: Instant, name: string, from: Endpoint, isKnownDevice: boolean): number {
    if (isKnownDevice) return this.#byOwner.waitMs(now, name)
    const network = networkOf(from)
    const networkMs = network === undefined ? 0 : this.#byNetwork.waitMs(now, network)
    return Math.max(this.#byName.waitMs(now, name), networkMs)
  }

  failed(now: Instant, name: string, from: Endpoint, isKnownDevice: boolean): void {
    const buckets = isKnownDevice ? this.#byOwner : this.#byName
    buckets.take(now, name)
    const network = networkOf(from)
    if (network !== undefined) this.#byNetwork.take(now, network)
  }

  /** Counts a challenge; the time to wait when there were too many, else 0. */
  challenging(now: Instant, from: Endpoint): number {
    return countOne(this.#challenges, now, from)
  }

  /** A login came of a challenge that was counted. */
  succeeded(from: Endpoint): void {
    const network = networkOf(from)
    if (network !== undefined) this.#challenges.giveBack(network)
  }

  /** Counts a registration; the time to wait when there were too many, else 0. */
  registering(now: Instant, from: Endpoint): number {
    return countOne(this.#registrations, now, from)
  }
}

function countOne(buckets: TokenBuckets, now: Instant, from: Endpoint): number {
  const network = networkOf(from)
  return network === undefined || buckets.take(now, network) ? 0 : buckets.waitMs(now, network)
}
