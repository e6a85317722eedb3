import { type ErrorCode, HollerError } from '../core/holler-error.ts'
import { ControlFault } from '../protocol/control/control-fault.ts'
import type { ServerError, ServerErrorCode } from '../protocol/server/messages.ts'

const CODES: Readonly<Record<ServerErrorCode, ErrorCode>> = {
  'auth-failed': 'AUTH_FAILED',
  'account-disabled': 'ACCOUNT_DISABLED',
  'handle-invalid': 'HANDLE_INVALID',
  'handle-taken': 'HANDLE_TAKEN',
  'registration-closed': 'REGISTRATION_CLOSED',
  'invite-invalid': 'INVITE_INVALID',
  'code-invalid': 'CODE_INVALID',
  'not-found': 'ACCOUNT_UNKNOWN',
  'already-buddies': 'ALREADY_BUDDIES',
  'not-buddies': 'BUDDY_UNKNOWN',
  offline: 'TIMEOUT', // the buddy's daemon is not there to answer
  'rate-limited': 'RATE_LIMITED',
  'too-many': 'TOO_LARGE',
  'mailbox-full': 'MAILBOX_FULL',
  unsupported: 'UNSUPPORTED',
  malformed: 'INVALID_PARAMS',
  temporary: 'SERVER_UNREACHABLE',
  'resume-refused': 'AUTH_FAILED', // dealt with by the link, which logs in anew
}

/** A server's refusal as the error of the command that led to it. */
export function errorOfServer({
  code,
  text,
  retryAfterMs,
}: Pick<ServerError, 'code' | 'text' | 'retryAfterMs'>): HollerError {
  const why = text === '' ? code : text
  const message = code === 'temporary' ? why : `The server refuses: ${why}` // it cannot, or was not heard
  return retryAfterMs === undefined
    ? new HollerError(CODES[code], message)
    : new ControlFault(CODES[code], message, { retryAfterMs })
}
