import { type ErrorCode, HollerError } from '../../core/holler-error.ts'

export interface FaultExtras {
  /** When trying again may help. */
  readonly retryAfterMs?: number
  /** What a script can use: ids, states. Never bodies or secrets. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** A `HollerError` with more to say to whoever asked on the control socket. */
export class ControlFault extends HollerError {
  readonly extras: FaultExtras

  constructor(code: ErrorCode, message: string, extras: FaultExtras) {
    super(code, message)
    this.extras = extras
  }
}
