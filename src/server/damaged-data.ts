import { HollerError } from '../core/holler-error.ts'

/** A store or a backup was looked at and found damaged: what was asked for has been told, and this is the answer. */
export class DamagedData extends HollerError {
  constructor(message: string) {
    super('STORE_UNUSABLE', message)
  }
}
