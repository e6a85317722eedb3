import type { Candidate } from '../protocol/server/messages.ts'
import type { AttemptVerdict } from './attempt-records.ts'
import { hasDependentMapping, type PathPolicy } from './candidate.ts'
import type { PathReason } from './reasons.ts'
import type { Hopeless } from './strategy.ts'

export interface Evidence {
  readonly policy: PathPolicy
  readonly local: readonly Candidate[]
  readonly remote: readonly Candidate[]
  readonly targets: number
  readonly hasLostDirect: boolean
  readonly hasHeard: boolean
  /** Questions were not asked, since their address had been asked enough. */
  readonly hasStarved: boolean
  /** Nothing can be done for these two NATs. */
  readonly hopeless: Hopeless['why'] | undefined
  /** How the last attempt beyond plain probes ended. */
  readonly lastAttempt: AttemptVerdict | undefined
}

/** Why a round of punching brought nothing: the most telling cause that the evidence allows. */
export function verdictOf(evidence: Evidence): PathReason {
  const { policy, local, remote, targets, hasLostDirect, hasHeard } = evidence
  if (policy === 'relay') return 'policy-relay'
  if (remote.length === 0) return 'no-candidates'
  if (policy === 'lan') return 'policy-lan'
  if (targets === 0) return 'no-usable-candidates'
  if (hasLostDirect) return 'direct-lost'
  if (evidence.hopeless === 'address-pool') return 'address-pool'
  if (evidence.lastAttempt !== undefined) return reasonOf(evidence.lastAttempt)
  if (evidence.hopeless !== undefined) return 'both-mappings-dependent'
  const [isLocal, isRemote] = [hasDependentMapping(local), hasDependentMapping(remote)]
  if (isLocal && isRemote) return 'both-mappings-dependent'
  if (isLocal) return 'local-mapping-dependent'
  if (isRemote) return 'remote-mapping-dependent'
  if (evidence.hasStarved && !hasHeard) return 'probes-used-up'
  return hasHeard ? 'heard-but-unanswered' : 'nothing-heard'
}

function reasonOf(last: AttemptVerdict): PathReason {
  switch (last) {
    case 'running':
    case 'direct':
      return 'direct-lost'
    case 'failed':
    case 'given-up':
    case 'too-many':
      return 'attempt-failed'
    case 'unanswered':
      return 'attempt-unanswered'
    case 'no-sockets':
      return 'no-sockets'
    case 'table-full':
      return 'router-table-full'
    case 'forbidden':
      return 'attempt-forbidden'
  }
}
