/**
 * The port for what of a session outlives a crash: whose it is, its epoch, and what presence its buddies see. Each
 * login and each resumption takes the account's next epoch; whoever comes with an older one has been overtaken.
 *
 * Implementation: `kv-session-store.ts`; `test/contract/session-store.contract.ts` is what each must do. Calls that
 * change something resolve when it is on disk, and change nothing where the epoch is not the present one any more.
 */
import type { AccountNumber, DeviceKeys } from '../../protocol/server/messages.ts'
import type { ChosenPresence } from '../presence.ts'

/** Rises with each session of an account, and is never given twice. */
export type Epoch = number

export interface StandingSession {
  readonly number: AccountNumber
  readonly epoch: Epoch
  readonly device: DeviceKeys
  readonly chosen: ChosenPresence
}

export interface SessionStore {
  /** Begins a session in place of any other of the account. */
  begin(session: Omit<StandingSession, 'epoch'>): Promise<Epoch>
  /** The account's session, as long as it has not ended. */
  standing(number: AccountNumber): Promise<StandingSession | undefined>
  /** Goes on with the session of this epoch under the next one; `undefined` where it is not the present one. */
  resume(number: AccountNumber, epoch: Epoch): Promise<StandingSession | undefined>
  choose(number: AccountNumber, epoch: Epoch, chosen: ChosenPresence): Promise<void>
  /** The session is over: nobody can resume it. */
  end(number: AccountNumber, epoch: Epoch): Promise<void>
  /** Those that have not ended, by number: all that stood when the server went down. */
  all(): Promise<readonly StandingSession[]>
}
