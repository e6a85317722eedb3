/** Application errors of the control socket: kind, JSON-RPC code, and the exit status of `holler`. */
import type { ErrorCode } from '../../core/holler-error.ts'

export const controlErrors = {
  internal: { code: -32603, exit: 1 },
  invalid_params: { code: -32602, exit: 2 },
  not_logged_in: { code: 1001, exit: 4 },
  auth_failed: { code: 1001, exit: 4 },
  forbidden: { code: 1002, exit: 5 },
  not_found: { code: 1003, exit: 6 },
  timeout: { code: 1005, exit: 7 },
  identity_changed: { code: 1006, exit: 8 },
  rate_limited: { code: 1007, exit: 9 },
  busy: { code: 1007, exit: 9 },
  server_unreachable: { code: 1008, exit: 10 },
  conflict: { code: 1009, exit: 11 },
  too_large: { code: 1010, exit: 12 },
  quota: { code: 1010, exit: 12 },
  rejected: { code: 1011, exit: 13 },
  session_replaced: { code: 1012, exit: 14 },
  unsupported: { code: 1013, exit: 15 },
} as const satisfies Record<string, { code: number; exit: number }>

export type ControlErrorKind = keyof typeof controlErrors

/** The exit status of `holler` where no daemon answers at all. */
export const EXIT_DAEMON_UNREACHABLE = 3

/** What the `data` member of an application error holds. */
export interface ControlErrorData {
  readonly kind: ControlErrorKind
  readonly message: string
  readonly retryable: boolean
  readonly retry_after_ms?: number
  readonly details: Readonly<Record<string, unknown>>
}

/** How each of the code base's own error codes is told on the control socket. */
export const kindOfError: Readonly<Record<ErrorCode, ControlErrorKind>> = {
  ACCOUNT_DISABLED: 'forbidden',
  ACCOUNT_UNKNOWN: 'not_found',
  ALREADY_BUDDIES: 'conflict',
  ALREADY_LOGGED_IN: 'conflict',
  ALREADY_RUNNING: 'conflict',
  AUTH_FAILED: 'auth_failed',
  BUDDY_UNKNOWN: 'not_found',
  BUSY: 'busy',
  CERTIFICATE_REJECTED: 'auth_failed',
  CLIENT_ID_REUSED: 'conflict',
  CODE_INVALID: 'rejected',
  CONFIG_INVALID: 'invalid_params',
  DAEMON_UNREACHABLE: 'internal',
  HANDLE_INVALID: 'invalid_params',
  HANDLE_TAKEN: 'conflict',
  IDENTITY_CHANGED: 'identity_changed',
  IDENTITY_UNCHANGED: 'not_found',
  IDENTITY_UNKNOWN: 'not_found',
  INVALID_PARAMS: 'invalid_params',
  INVITE_INVALID: 'rejected',
  MAILBOX_FULL: 'quota',
  NOT_FOUND: 'not_found',
  NOT_LOGGED_IN: 'not_logged_in',
  PASSWORD_INVALID: 'invalid_params',
  PORT_TAKEN: 'conflict',
  RATE_LIMITED: 'rate_limited',
  REGISTRATION_CLOSED: 'rejected',
  REQUEST_UNKNOWN: 'not_found',
  SERVER_UNREACHABLE: 'server_unreachable',
  SAFETY_NUMBER_WRONG: 'conflict',
  SESSION_REPLACED: 'session_replaced',
  STORE_UNUSABLE: 'internal',
  TIMEOUT: 'timeout',
  TOO_LARGE: 'too_large',
  UNSUPPORTED: 'unsupported',
}
