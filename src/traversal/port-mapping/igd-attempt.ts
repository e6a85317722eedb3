/**
 * What to try next when a gateway refuses a mapping. The error codes of UPnP (WANIPConnection:2 §2.5) say what would
 * please it; each step is taken once, except that several external ports are tried.
 */
import { integerBetween, type Random } from '../../core/random.ts'
import type { AddAction } from './igd-actions.ts'
import type { UnavailableReason } from './mapping-client.ts'

export interface Attempt {
  readonly action: AddAction
  readonly externalPort: number
  readonly leaseSeconds: number
  /** How many external ports may still be tried after this one. */
  readonly portsLeft: number
}

export type NextAttempt =
  | { readonly kind: 'try'; readonly attempt: Attempt }
  | { readonly kind: 'fail'; readonly why: UnavailableReason }

/** An hour, so that a daemon that was killed leaves nothing behind for long; routers keep such tables small. */
export const UPNP_LEASE_SECONDS = 3600

/** Four random ports that all belong to somebody else: then it is not about the port. */
const OTHER_PORTS = 4

/** Below are the ports of services, which many routers do not map. */
const LEAST_PORT = 1024

export function firstAttempt(localPort: number, hasAnyPort: boolean): Attempt {
  return {
    action: hasAnyPort ? 'AddAnyPortMapping' : 'AddPortMapping',
    externalPort: localPort,
    leaseSeconds: UPNP_LEASE_SECONDS,
    portsLeft: OTHER_PORTS,
  }
}

export function attemptAfter(
  code: number,
  attempt: Attempt,
  { localPort, random }: { readonly localPort: number; readonly random: Random },
): NextAttempt {
  switch (code) {
    case 401: // Invalid Action
    case 602: // Optional Action Not Implemented
      if (attempt.action === 'AddPortMapping') return fail('unsupported')
      return retry({ ...attempt, action: 'AddPortMapping' })
    case 402: // Invalid Args: what some routers say to a lease
    case 501: // Action Failed: others
    case 725: // OnlyPermanentLeasesSupported
      return attempt.leaseSeconds === 0 ? fail('refused') : retry({ ...attempt, leaseSeconds: 0 })
    case 606: // Action not authorized
      return fail('not-authorized')
    case 718: // ConflictInMappingEntry
    case 729: // ConflictWithOtherMechanisms
      return attempt.portsLeft === 0 ? fail('conflict') : retry(withOtherPort(attempt, random))
    case 724: // SamePortValuesRequired
      if (attempt.externalPort === localPort) return fail('refused')
      return retry({ ...attempt, externalPort: localPort, portsLeft: 0 })
    case 728: // NoPortMapsAvailable
      return fail('out-of-resources')
    default:
      return fail('refused')
  }
}

function withOtherPort(attempt: Attempt, random: Random): Attempt {
  const externalPort = integerBetween(random, LEAST_PORT, 65535)
  return { ...attempt, externalPort, portsLeft: attempt.portsLeft - 1 }
}

function retry(attempt: Attempt): NextAttempt {
  return { kind: 'try', attempt }
}

function fail(why: UnavailableReason): NextAttempt {
  return { kind: 'fail', why }
}
