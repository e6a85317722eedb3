/**
 * Why a command could not be carried out. A closed union: each code has a paragraph in `docs/errors.md`,
 * and a test compares the two.
 */
export const errorCodes = [
  'ACCOUNT_DISABLED',
  'ACCOUNT_UNKNOWN',
  'ALREADY_BUDDIES',
  'ALREADY_LOGGED_IN',
  'ALREADY_RUNNING',
  'AUTH_FAILED',
  'BUDDY_UNKNOWN',
  'BUSY',
  'CERTIFICATE_REJECTED',
  'CLIENT_ID_REUSED',
  'CODE_INVALID',
  'CONFIG_INVALID',
  'DAEMON_UNREACHABLE',
  'HANDLE_INVALID',
  'HANDLE_TAKEN',
  'IDENTITY_CHANGED',
  'IDENTITY_UNCHANGED',
  'IDENTITY_UNKNOWN',
  'INVALID_PARAMS',
  'INVITE_INVALID',
  'MAILBOX_FULL',
  'NOT_FOUND',
  'NOT_LOGGED_IN',
  'PASSWORD_INVALID',
  'PORT_TAKEN',
  'RATE_LIMITED',
  'REGISTRATION_CLOSED',
  'REQUEST_UNKNOWN',
  'SERVER_UNREACHABLE',
  'SAFETY_NUMBER_WRONG',
  'SESSION_REPLACED',
  'STORE_UNUSABLE',
  'TIMEOUT',
  'TOO_LARGE',
  'UNSUPPORTED',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** A command that cannot be carried out, told to whoever gave it. The message is a sentence without a full stop. */
export class HollerError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HollerError'
    this.code = code
  }
}
