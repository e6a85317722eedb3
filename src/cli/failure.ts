/** Why a command failed, and the exit status that tells scripts so (the table of `docs/protocol/control.md`). */
import { type ErrorCode, HollerError } from '../core/holler-error.ts'
import {
  controlErrors,
  type ControlErrorKind,
  EXIT_DAEMON_UNREACHABLE,
  kindOfError,
} from '../protocol/control/errors.ts'

export type FailureKind = ControlErrorKind | 'usage' | 'daemon_unreachable'

export interface FailureInfo {
  readonly retryable?: boolean
  readonly retryAfterMs?: number
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A command that could not be carried out. The message is a sentence without a full stop. */
export class CommandFailure extends Error {
  readonly kind: FailureKind
  readonly info: FailureInfo

  constructor(kind: FailureKind, message: string, info: FailureInfo = {}) {
    super(message, { cause: info.cause })
    this.name = 'CommandFailure'
    this.kind = kind
    this.info = info
  }

  get exitStatus(): number {
    switch (this.kind) {
      case 'usage':
        return controlErrors.invalid_params.exit
      case 'daemon_unreachable':
        return EXIT_DAEMON_UNREACHABLE
      case 'internal':
      case 'invalid_params':
      case 'not_logged_in':
      case 'auth_failed':
      case 'forbidden':
      case 'not_found':
      case 'timeout':
      case 'identity_changed':
      case 'rate_limited':
      case 'busy':
      case 'server_unreachable':
      case 'conflict':
      case 'too_large':
      case 'quota':
      case 'rejected':
      case 'session_replaced':
      case 'unsupported':
        return controlErrors[this.kind].exit
    }
  }

  /** The one JSON line on stderr under `--json`. */
  toJSON(): Readonly<Record<string, unknown>> {
    return {
      error: {
        kind: this.kind,
        message: this.message,
        exit: this.exitStatus,
        retryable: this.info.retryable ?? false,
        retry_after_ms: this.info.retryAfterMs,
        details: this.info.details ?? {},
      },
    }
  }
}

export function usageFailure(message: string): CommandFailure {
  return new CommandFailure('usage', message)
}

/** Every way in which a command ends badly, as a `CommandFailure`; what is none of them is a bug. */
export function failureFrom(cause: unknown): CommandFailure {
  if (cause instanceof CommandFailure) return cause
  if (cause instanceof HollerError) {
    return new CommandFailure(kindOf(cause.code), cause.message, { cause })
  }
  const message = cause instanceof Error ? cause.message : String(cause)
  return new CommandFailure('internal', `This is a bug in holler: ${message}`, { cause })
}

function kindOf(code: ErrorCode): FailureKind {
  return code === 'DAEMON_UNREACHABLE' ? 'daemon_unreachable' : kindOfError[code]
}
