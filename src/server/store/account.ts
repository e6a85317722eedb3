import type { AccountNumber, PasswordVerifier } from '../../protocol/server/messages.ts'
import type { Handle } from '../handle.ts'

export interface Account {
  readonly number: AccountNumber
  readonly handle: Handle
  readonly verifier: PasswordVerifier
  /** Wall clock, ms since 1970 UTC. */
  readonly createdAtMs: number
  /** The account was last seen choosing to be invisible, so it must not flash up as online when it logs in again. */
  readonly startsInvisible: boolean
  /** The administrator lets nobody log in with it, since then (wall clock, ms since 1970 UTC). */
  readonly disabledAtMs?: number
  /** Rises with each change; a change names the revision it was made from. */
  readonly revision: number
}

export type NewAccount = Pick<Account, 'handle' | 'verifier' | 'createdAtMs'>

export type Person = Pick<Account, 'number' | 'handle'>
