/**
 * Which addresses of a client are passed on to a buddy, who will send a few datagrams to each. The aim: nobody can
 * make a buddy shoot at a third party by naming its address as reflexive, nor at the buddy's own machine.
 *
 * - No candidate may be unusable (multicast, unspecified, reserved, port 0).
 * - Loopback and link-local mean something only where both sides' TCP sessions come from there too: the playground on
 *   one machine, two laptops on a cable. Otherwise they would point at the receiver's own machine and link.
 * - `server-reflexive` must be **attested**: it has the very address that the TCP session comes from (any port), or the
 *   server's own STUN service answered this address and port in the last two minutes. The first suffices for nearly
 *   everybody and needs no memory. The second is for carriers' NATs that give TCP and UDP, or IPv4 and IPv6, different
 *   public addresses out of a pool of any shape.
 * - `mapped` (by PCP, NAT-PMP, UPnP) must have the address of the TCP session, or of an attested reflexive candidate of
 *   the same message: the router that was asked for the mapping is the one that the others pass through.
 * - `host` is not attested: a global IPv6 address need not be the one that TCP takes. That leaves a buddy five small
 *   datagrams at an address of its choice for each introduction, of which it has a bounded number.
 *
 * What the STUN rule does not prove: a source that can forge addresses can have an address answered that is not its own.
 * It could send to that address itself, and more, without us.
 */
import { scopeOf } from '../core/address-scope.ts'
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import type { Candidate } from '../protocol/server/messages.ts'

export interface CandidateContext {
  /** Where the TCP session of the client that names them comes from. */
  readonly from: Endpoint
  /** Where the TCP session of the client that receives them comes from. */
  readonly to: Endpoint
  /** Whether our STUN service has lately answered this address and port. */
  readonly isWitnessed: (endpoint: Endpoint) => boolean
}

/** The candidates that may be passed on, each once, in their order. */
export function admitCandidates(
  candidates: readonly Candidate[],
  context: CandidateContext,
): readonly Candidate[] {
  const isReachable = (candidate: Candidate): boolean => isSensible(candidate.endpoint, context)
  const sensible = withoutRepeats(candidates).filter(isReachable)
  const attested = new Set([context.from.address]) // ≤ MAX_CANDIDATES + 1
  const reflexive = sensible.filter(({ kind }) => kind === 'server-reflexive')
  for (const { endpoint } of reflexive) {
    if (context.isWitnessed(endpoint)) attested.add(endpoint.address)
  }
  return sensible.filter(({ kind, endpoint }) => {
    switch (kind) {
      case 'host':
        return true
      case 'server-reflexive':
        return endpoint.address === context.from.address || context.isWitnessed(endpoint)
      case 'mapped':
        return attested.has(endpoint.address)
    }
  })
}

function isSensible(named: Endpoint, { from, to }: CandidateContext): boolean {
  if (named.port === 0) return false
  const scope = scopeOf(named)
  switch (scope) {
    case 'unusable':
      return false
    case 'loopback':
    case 'link-local':
      return scopeOf(from) === scope && scopeOf(to) === scope
    case 'private':
    case 'shared':
    case 'global':
      return true
  }
}

function withoutRepeats(candidates: readonly Candidate[]): readonly Candidate[] {
  const seen = new Map<string, Candidate>() // ≤ MAX_CANDIDATES
  for (const candidate of candidates) {
    const key = `${candidate.kind} ${keyOf(candidate.endpoint)}`
    if (!seen.has(key)) seen.set(key, candidate)
  }
  return [...seen.values()]
}
