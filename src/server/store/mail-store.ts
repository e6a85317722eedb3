/**
 * The port for mail that waits for its owner: sealed messages, kept until they are acknowledged. Every call that
 * changes something resolves when the change is on disk, and not before; calls that come together share a write.
 *
 * Implementation: `kv-mail-store.ts`; `test/contract/mail-store.contract.ts` is what each must do.
 */
import type { AccountNumber, MailSeq } from '../../protocol/server/messages.ts'

export interface NewMail {
  readonly owner: AccountNumber
  readonly seq: MailSeq
  readonly from: AccountNumber
  /** The identity of the device that sent it; a message is the same one only when this is the same too. */
  readonly device: Uint8Array
  readonly messageId: Uint8Array
  readonly body: Uint8Array
}

export type Mail = Omit<NewMail, 'owner' | 'device'>

/** How much an account may have waiting: messages, and bytes of their bodies. */
export interface MailQuota {
  readonly messages: number
  readonly bytes: number
}

export interface MailLimits {
  /** All that waits for one owner. */
  readonly owner: MailQuota
  /** …and what of it may come from one sender, so that no buddy can shut out the others. Strangers may send nothing. */
  readonly sender: MailQuota
}

export const MAIL_LIMITS: MailLimits = {
  owner: { messages: 10_000, bytes: 64 * 1024 * 1024 },
  sender: { messages: 2_000, bytes: 16 * 1024 * 1024 },
}

export type MailOutcome =
  /** On disk now, or it was before: then under the number it had. */
  | { readonly kind: 'stored'; readonly seq: MailSeq }
  /** A quota stands against it; nothing was written. */
  | { readonly kind: 'full'; readonly whose: 'owner' | 'sender' }

export interface MailStore {
  /** All that waits, of everybody. `undefined` while the store still counts what was there when it was opened. */
  readonly total: MailQuota | undefined
  /** So many numbers that no mail has had and none will have but those the caller gives them to; returns the first. */
  reserve(count: number): Promise<MailSeq>
  /** Keeps a message. Of one owner's, those asked for earlier are on disk no later. */
  append(mail: NewMail): Promise<MailOutcome>
  /** The owner's mail after a number, oldest first: as many as fit, and one in any case where there is one. */
  read(owner: AccountNumber, after: MailSeq, most: MailQuota): Promise<readonly Mail[]>
  /** Forgets mail of an owner; numbers that are not there are no error. */
  remove(owner: AccountNumber, seqs: readonly MailSeq[]): Promise<void>
  /** What a sender's device has sent, by message id; gives the numbers that it had. */
  withdraw(
    mail: Pick<NewMail, 'owner' | 'from' | 'device'>,
    messageIds: readonly Uint8Array[],
  ): Promise<readonly MailSeq[]>
  /** Forgets everything of an owner. */
  clear(owner: AccountNumber): Promise<void>
  /** Resolves when every change of the owner's mail that was asked for so far has ended. */
  settled(owner: AccountNumber): Promise<void>
  waiting(owner: AccountNumber): Promise<MailQuota>
  /**
   * The server has run for so much longer: mail that has waited for more than `lifeMs` of such time is forgotten.
   * It is not measured by the wall clock, for a clock that was set wrong would take all mail with it. Gives how many.
   */
  age(ms: number, lifeMs: number): Promise<number>
}
