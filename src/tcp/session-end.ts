/** Why a session with the server ended, or did not come about: for good, or until the next attempt. */
import type { Goodbye, ServerError, ServerErrorCode } from '../protocol/server/messages.ts'

/**
 * `unreachable`: no connection was made. `closed`: it ended. `silent`: two heartbeats unanswered. `login-timeout`:
 * no welcome within 10 s. `violation`: the server left the protocol. `turned-away`: rate limits and the like.
 * `disabled`: the administrator lets nobody in with this account, for now.
 * `restarting`, `ended`: the server said goodbye.
 */
export type OfflineReason =
  | 'unreachable'
  | 'closed'
  | 'silent'
  | 'login-timeout'
  | 'violation'
  | 'turned-away'
  | 'disabled'
  | 'restarting'
  | 'ended'

/** `server-unproven`: it did not prove that it knows the account, or asked for a password hashed too weakly. */
export type LinkRefusal = ServerErrorCode | 'server-unproven' | 'deleted' | 'logged-out'

export type SessionEnd =
  /** Trying again would change nothing. */
  | { readonly kind: 'refused'; readonly code: LinkRefusal; readonly text: string }
  | { readonly kind: 'replaced' }
  /** Tried again after a while, and not before `askedMs` where the server asked for that. */
  | {
      readonly kind: 'offline'
      readonly why: OfflineReason
      readonly text: string
      readonly askedMs: number
      /** How long from then on, where the server said so: clients come back at a random time of it. */
      readonly spreadMs?: number
    }

export function offline(
  why: OfflineReason,
  text: string,
  askedMs = 0,
  spreadMs?: number,
): SessionEnd {
  return { kind: 'offline', why, text, askedMs, ...(spreadMs === undefined ? {} : { spreadMs }) }
}

export function refused(code: LinkRefusal, text: string): SessionEnd {
  return { kind: 'refused', code, text }
}

/** What an error instead of a challenge or a welcome means. */
export function endByLoginError({ code, text, retryAfterMs }: ServerError): SessionEnd {
  // Neither the account nor our version becomes another by waiting.
  if (code === 'auth-failed' || code === 'unsupported') return refused(code, text)
  if (code === 'account-disabled') return offline('disabled', text, retryAfterMs)
  return offline('turned-away', `${code}: ${text}`, retryAfterMs)
}

export function endByGoodbye({ reason, retryAfterMs, spreadMs }: Goodbye): SessionEnd {
  switch (reason) {
    case 'replaced':
      return { kind: 'replaced' }
    case 'deleted':
      return refused(reason, 'The account was deleted')
    case 'logged-out':
      return refused(reason, 'The server ended the session')
    case 'restarting':
      return offline('restarting', 'The server restarts', retryAfterMs, spreadMs)
    case 'disabled':
      return offline('disabled', 'The administrator has disabled this account', retryAfterMs)
    case 'protocol-error':
    case 'timeout':
      return offline('ended', `The server ended the session: ${reason}`, retryAfterMs)
  }
}
