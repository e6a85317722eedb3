import type { Candidate } from '../protocol/server/messages.ts'
import { hasDependentMapping, type PathPolicy } from './candidate.ts'
import type { PathReason } from './reasons.ts'

export interface Evidence {
  readonly policy: PathPolicy
  readonly local: readonly Candidate[]
  readonly remote: readonly Candidate[]
  readonly targets: number
  readonly hasLostDirect: boolean
  readonly hasHeard: boolean
}

/** Why a round of punching brought nothing: the most telling cause that the evidence allows. */
export function verdictOf(evidence: Evidence): PathReason {
  const { policy, local, remote, targets, hasLostDirect, hasHeard } = evidence
  if (policy === 'relay') return 'policy-relay'
  if (remote.length === 0) return 'no-candidates'
  if (policy === 'lan') return 'policy-lan'
  if (targets === 0) return 'no-usable-candidates'
  if (hasLostDirect) return 'direct-lost'
  const [isLocal, isRemote] = [hasDependentMapping(local), hasDependentMapping(remote)]
  if (isLocal && isRemote) return 'both-mappings-dependent'
  if (isLocal) return 'local-mapping-dependent'
  if (isRemote) return 'remote-mapping-dependent'
  return hasHeard ? 'heard-but-unanswered' : 'nothing-heard'
}
