/** How `hollerd` ends, by the numbers of sysexits.h, which systemd shows by name. */
import { CommanderError } from 'commander'
import { type ErrorCode, HollerError } from '../core/holler-error.ts'

export const EX_OK = 0
export const EX_USAGE = 64
const EX_UNAVAILABLE = 69
const EX_SOFTWARE = 70
const EX_CANTCREAT = 73
const EX_TEMPFAIL = 75
const EX_NOPERM = 77
const EX_CONFIG = 78

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  PORT_TAKEN: EX_UNAVAILABLE,
  STORE_UNUSABLE: EX_CANTCREAT,
  ALREADY_RUNNING: EX_TEMPFAIL,
  CONFIG_INVALID: EX_CONFIG,
}

/** A file, directory or socket that cannot be made. */
export class CannotCreate extends Error {
  constructor(what: string, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException
    super(cause instanceof HollerError ? message : `Cannot make ${what}: ${code ?? message}`, {
      cause,
    })
    this.name = 'CannotCreate'
  }
}

export function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EX_OK : EX_USAGE
  if (isForbidden(error)) return EX_NOPERM
  if (error instanceof CannotCreate) return EX_CANTCREAT
  return (error instanceof HollerError ? STATUS_OF_CODE[error.code] : undefined) ?? EX_SOFTWARE
}

/** The system refused somewhere down the chain of causes. */
function isForbidden(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') return true
  }
  return false
}
