import { keyOf } from '../core/endpoint.ts'
import type { Candidate } from '../protocol/server/messages.ts'
import type { PathPolicy } from '../traversal/candidate.ts'

/** What a policy lets a peer know, and what it lets us use of what the peer says. */
export function admitted(
  candidates: readonly Candidate[],
  policy: PathPolicy,
): readonly Candidate[] {
  switch (policy) {
    case 'auto':
      return candidates
    case 'lan':
      return candidates.filter(({ kind }) => kind === 'host')
    case 'relay':
      return []
  }
}

/** The same text for the same addresses, in whatever order. */
export function addressesOf(candidates: readonly Candidate[]): string {
  return candidates
    .map(({ endpoint }) => keyOf(endpoint))
    .sort()
    .join()
}

/** Whether an address that was offered before is not any more: then its owner has moved. */
export function hasVanished(before: readonly Candidate[], now: readonly Candidate[]): boolean {
  const kept = new Set(now.map(({ endpoint }) => keyOf(endpoint)))
  return before.some(({ endpoint }) => !kept.has(keyOf(endpoint)))
}
