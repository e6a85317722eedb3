/**
 * The port for what only an administrator does: look through accounts, delete them, invite, let a lost password be
 * replaced. Calls that change something resolve when it is on disk; what belongs together is one write.
 *
 * Implementation: `kv-admin-store.ts`; `test/contract/admin-store.contract.ts` is what each must do.
 */
import type {
  AccountNumber,
  PasswordVerifier,
  RosterVersion,
} from '../../protocol/server/messages.ts'
import type { Account, NewAccount, Person } from './account.ts'

/** Invitations that are kept. An administrator who needs more gives one several uses. */
export const MAX_INVITES = 10_000

/** Hex: SHA-256 of a secret that was shown once and is not kept. */
export type SecretHash = string

export interface Invite {
  readonly hash: SecretHash
  readonly uses: number
  readonly used: number
  readonly note: string
  /** Wall clock, ms since 1970 UTC, as are all of these. */
  readonly createdAtMs: number
  readonly expiresAtMs?: number
  readonly revokedAtMs?: number
}

/** Why an invitation does not let anybody in. */
export type InviteFault = 'unknown' | 'revoked' | 'expired' | 'used-up'

export type InvitedOutcome =
  | { readonly kind: 'made'; readonly account: Account }
  | { readonly kind: 'handle-taken' }
  | { readonly kind: 'not-invited'; readonly why: InviteFault }

export interface Deleted {
  readonly person: Person
  /** The lists that it was taken from, and the versions that they have since. */
  readonly lists: ReadonlyMap<AccountNumber, RosterVersion>
}

export interface AdminStore {
  /** Accounts with greater numbers, by number. */
  accounts(after: AccountNumber, most: number): Promise<readonly Account[]>
  countAccounts(): Promise<number>

  /**
   * In one write: the account, its list and itself on the lists of others, its devices, keys, profile and mail. Its
   * number is never given again; its handle is not either unless `freesHandle`, so that nobody slips into its place.
   */
  deleteAccount(
    number: AccountNumber,
    options: { readonly freesHandle: boolean },
  ): Promise<Deleted | undefined>

  /** Where there are MAX_INVITES, those that let nobody in go. `false`: there are none such; nothing was written. */
  addInvite(invite: Invite): Promise<boolean>
  invite(hash: SecretHash): Promise<Invite | undefined>
  /** All of them, in any order. */
  invites(): Promise<readonly Invite[]>
  /** `undefined`: there is none. One that was revoked before keeps its time. */
  revokeInvite(hash: SecretHash, nowMs: number): Promise<Invite | undefined>
  /** Uses the invitation in the same write as it makes the account; one that makes none is not used. */
  createInvited(account: NewAccount, hash: SecretHash, nowMs: number): Promise<InvitedOutcome>

  /** Lets whoever knows the secret set a new password, once. An earlier permission is void. `false`: no such account. */
  allowReset(number: AccountNumber, hash: SecretHash, expiresAtMs: number): Promise<boolean>
  /** `undefined`: not with this secret, or not any more. The permission ends with the same write. */
  reset(
    number: AccountNumber,
    hash: SecretHash,
    nowMs: number,
    verifier: PasswordVerifier,
  ): Promise<Account | undefined>

  /** Writes something. @throws HollerError `STORE_UNUSABLE` when that cannot be done. */
  checkWritable(): Promise<void>
}

/** Whether an invitation lets somebody in. */
export function inviteFault(invite: Invite, nowMs: number): InviteFault | undefined {
  if (invite.revokedAtMs !== undefined) return 'revoked'
  if (invite.expiresAtMs !== undefined && invite.expiresAtMs <= nowMs) return 'expired'
  return invite.used >= invite.uses ? 'used-up' : undefined
}
