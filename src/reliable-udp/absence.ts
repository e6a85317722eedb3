import { after, type Instant } from '../core/instant.ts'

/**
 * A deadline handled this late means that we were not there: the machine slept, or the event loop was blocked. The
 * peer's packets may be waiting unread, so nothing is concluded from silence.
 */
export const ABSENCE_MS = 1000

/** How long the peer then has to show itself. */
const GRACE_MS = 3000

/** A deadline for the peer to be heard, as it stands once we are back. */
export function afterAbsence(now: Instant, deadline: Instant | undefined): Instant | undefined {
  if (deadline === undefined) return undefined
  const grace = after(now, GRACE_MS)
  return deadline < grace ? grace : deadline
}
