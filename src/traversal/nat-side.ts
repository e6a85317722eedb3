/** One side of a pair as the choice of a strategy sees it: its NAT's profile, and where that is silent the worst guess. */
import { scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { NatDependence, NatProfile } from '../protocol/server/nat-profile.ts'
import { hasDependentMapping } from './candidate.ts'

/** How the public port of a fresh socket may be known before anything came from it. */
export type PortGuess =
  /** The local port itself: each further destination of a socket gets a port above. */
  | { readonly kind: 'local' }
  /** The last one given and a constant more. */
  | { readonly kind: 'next'; readonly step: number }
  | { readonly kind: 'range'; readonly low: number; readonly high: number; readonly isOwn: boolean }

export interface NatSide {
  /** Of what the public port depends (RFC 4787 §4.1); without a NAT it depends on nothing. */
  readonly mapping: NatDependence
  readonly filtering: NatDependence
  readonly ports: PortGuess
  readonly isPooled: boolean
  /** Whether both mapping and filtering were measured. */
  readonly isCertain: boolean
}

/** Ports that a NAT without a known range may give: the system's own are hardly ever among them (RFC 4787 REQ-3). */
const LOWEST_PORT = 1024
const HIGHEST_PORT = 65_535

export function natSideOf(
  profile: NatProfile | undefined,
  candidates: readonly Candidate[],
): NatSide {
  // A port mapping lets everybody in, whatever the NAT does to what was not mapped.
  const hasMapped = candidates.some(({ kind }) => kind === 'mapped')
  const isDependent = !hasMapped && hasDependentMapping(candidates)
  const guess = isDependent ? 'address-and-port-dependent' : 'endpoint-independent'
  if (profile === undefined || hasMapped) {
    return {
      mapping: guess,
      filtering: hasMapped ? 'endpoint-independent' : 'address-and-port-dependent',
      ports: { kind: 'range', low: LOWEST_PORT, high: HIGHEST_PORT, isOwn: false },
      isPooled: false,
      isCertain: hasMapped,
    }
  }
  const { mapping, filtering } = profile
  return {
    mapping: mapping === 'unknown' ? guess : mapping === 'none' ? 'endpoint-independent' : mapping,
    filtering: filtering === 'unknown' ? 'address-and-port-dependent' : filtering,
    ports: portsOf(profile),
    isPooled: profile.isPooled,
    isCertain: mapping !== 'unknown' && filtering !== 'unknown',
  }
}

export function isFixed({ mapping }: NatSide): boolean {
  return mapping === 'endpoint-independent'
}

/**
 * The peer's public address, as the server attested it: a reflexive candidate passes the server only with the address
 * of its owner's TCP session or of a STUN request (docs/protocol/rendezvous.md). Nothing else may be guessed at.
 */
export function attestedEndpoint(candidates: readonly Candidate[]): Endpoint | undefined {
  const attested = candidates.filter(({ kind, endpoint }) => {
    const scope = scopeOf(endpoint)
    return kind === 'server-reflexive' && endpoint.family === 4 && isPublic(scope)
  })
  return attested[0]?.endpoint
}

function isPublic(scope: ReturnType<typeof scopeOf>): boolean {
  return scope === 'global' || scope === 'shared'
}

function portsOf({ ports }: NatProfile): PortGuess {
  switch (ports.kind) {
    case 'preserve':
      return { kind: 'local' }
    case 'sequential':
      return { kind: 'next', step: ports.step }
    case 'random':
    case 'parity':
    case 'block':
      return { kind: 'range', low: ports.low, high: ports.high, isOwn: ports.kind === 'block' }
    case 'unknown':
      return { kind: 'range', low: LOWEST_PORT, high: HIGHEST_PORT, isOwn: false }
  }
}
