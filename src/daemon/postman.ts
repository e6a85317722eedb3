/**
 * Messages that go through the server's mailbox, sealed: to buddies with whom no live session stands, since nobody who
 * has something to say should wait for hole punching. And what comes from there: opened, kept, confirmed by a sealed receipt, and only then
 * acknowledged to the server; so a daemon that is killed in between gets it again, knows it by its id, and confirms it.
 *
 * A message has one id on both ways, whoever comes second is dropped. In order: a buddy's messages are mailed as they
 * were written, a few ahead of the server's answers; what is written meanwhile waits for none of these.
 */
import type { Clock } from '../core/clock.ts'
import { HollerError } from '../core/holler-error.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import { fromHex } from '../core/bytes.ts'
import {
  openMessage,
  readSealedHeader,
  sealMessage,
  type SealedKind,
} from '../crypto/sealed-message.ts'
import { staticKeyFromSeed } from '../crypto/static-key.ts'
import { Alarm } from '../io/alarm.ts'
import { decodePeerMessage, encodePeerMessage } from '../protocol/peer/codec.ts'
import { messageIdOf, newMessageId } from '../protocol/peer/message-id.ts'
import { MAX_RECEIPT_IDS, type MessageId, type PeerMessage } from '../protocol/peer/peer-message.ts'
import type {
  AccountNumber,
  Deliver,
  DeviceKeys,
  KeysLeft,
  MailSeq,
} from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import { BuddyKeySupply } from './buddy-keys.ts'
import type { Conversations } from './conversations.ts'
import type { Device } from './keys.ts'
import { asTextMessage } from './outgoing.ts'
import type { Prekeys } from './prekeys.ts'
import { type Buddy, personOf } from './roster.ts'
import type { ServerSession } from './server-session.ts'
import { Unreadable } from './unreadable.ts'

/** So long live sessions may take to come about once the server is there again, and has told who is online. */
const LIVE_WITHIN_MS = 200

/** How many messages to one buddy are mailed ahead of the server's answers. */
const MOST_AHEAD = 16

/** Receipts for what comes within so long leave together. */
const RECEIPTS_AFTER_MS = 20

/** When the server said that it cannot now. */
const RETRY_MS = 15_000

export interface PostmanOptions {
  readonly own: AccountNumber
  readonly device: Device
  readonly archive: Archive
  readonly clock: Clock
  readonly session: ServerSession
  readonly prekeys: Prekeys
  readonly conversations: () => Conversations
  /** Who wants to look offline sends no receipts by mail. */
  readonly isInvisible: () => boolean
}

/** What is being mailed to one buddy: sent in order, noted when the server has it. */
interface Mailing {
  /** Sealed messages that the server has not answered, or that we have not noted as answered. */
  readonly underWay: Set<MessageId> // ≤ MOST_AHEAD
  /** Those that the server has taken. */
  taken: MessageId[] // ≤ MOST_AHEAD
  isSending: boolean
  /** There may be more to send than there was when the last look was taken. */
  isMoreWanted: boolean
  isNoting: boolean
}

interface Owed {
  readonly ids: Set<MessageId> // ≤ MAX_RECEIPT_IDS: the server's window is smaller
  readonly seqs: MailSeq[]
}

export class Postman {
  readonly #options: PostmanOptions
  readonly #keys: BuddyKeySupply
  readonly #unreadable: Unreadable
  readonly #alarm: Alarm
  readonly #due = new Map<AccountNumber, Instant>() // ≤ the buddy list
  readonly #mailings = new Map<AccountNumber, Mailing>() // ≤ the buddy list
  readonly #owed = new Map<AccountNumber, Owed>() // ≤ the server's window of deliveries
  #receiptsAt: Instant | undefined
  #isStopped = false

  constructor(options: PostmanOptions) {
    this.#options = options
    this.#keys = new BuddyKeySupply(options.session, options.clock)
    this.#unreadable = new Unreadable(options.archive)
    this.#alarm = new Alarm(options.clock, (now) => this.#handleTimeout(now))
  }

  /** Something waits for the buddy, and no live session stands. To whoever is there the server forwards it at once. */
  wanted(buddy: AccountNumber): void {
    this.#mailAfter(buddy, 0)
  }

  /** The server is there (again). */
  online(): void {
    for (const buddy of this.#options.archive.outbox.buddies()) {
      this.#mailAfter(buddy, LIVE_WITHIN_MS) // who is there is about to be told
    }
  }

  /** What is known of them is news; their device may be another one now. */
  buddyChanged(buddy: AccountNumber, device?: DeviceKeys): void {
    this.#keys.forget(buddy, device)
  }

  /** Something is said in a live session: when it ends, the next message is not to wait for keys. */
  prepare(buddy: AccountNumber): void {
    if (this.#options.session.isOnline) void this.#keys.prepare(buddy) // never rejects
  }

  stop(): void {
    this.#isStopped = true
    this.#alarm.clear()
  }

  /** The server has so many of our prekeys left. */
  async replenish(left: KeysLeft): Promise<void> {
    const keys = await this.#options.prekeys.replenished(left)
    if (keys === undefined) return
    await this.#options.session.request(keys).catch((error: unknown) => {
      const isLater = error instanceof HollerError && error.code === 'SERVER_UNREACHABLE'
      if (!isLater) throw error // the next session begins by saying what is left
    })
  }

  async withdraw(buddy: AccountNumber, ids: readonly MessageId[]): Promise<void> {
    await this.#options.session.request({
      kind: 'withdraw',
      to: buddy,
      messageIds: ids.slice(0, MAX_WITHDRAWN).map(fromHex),
    })
  }

  /** Resolves when what was delivered is on our disk, or will never be. */
  async take(delivered: Deliver): Promise<void> {
    const { archive, session } = this.#options
    const { from, seq } = delivered
    const id = messageIdOf(delivered.messageId)
    const buddy = archive.roster.get(from)
    if (buddy?.state !== 'accepted') {
      archive.dropped.count('mail-from-nobody')
      session.acknowledge([seq])
      return
    }
    const toConfirm = await this.#open(buddy, id, delivered)
    if (toConfirm.length === 0) session.acknowledge([seq])
    else this.#owe(from, toConfirm, seq)
  }

  async #open(buddy: Buddy, id: MessageId, { body }: Deliver): Promise<readonly MessageId[]> {
    const { archive, own, device, prekeys, conversations } = this.#options
    const known = await archive.history.get(id)
    if (known !== undefined)
      return known.buddy === buddy.number && known.direction === 'in' ? [id] : []
    const header = readSealedHeader(body)
    if (header === undefined) {
      archive.dropped.count('mail-malformed')
      return []
    }
    const signed = prekeys.signed(header.signedNumber)
    const oneTime = header.oneTimeNumber === 0 ? undefined : prekeys.oneTime(header.oneTimeNumber)
    const hasKeys = signed !== undefined && (header.oneTimeNumber === 0 || oneTime !== undefined)
    const plaintext = !hasKeys
      ? undefined
      : openMessage(body, {
          from: buddy.number,
          to: own,
          messageId: fromHex(id),
          header,
          staticKey: device.staticKey,
          signed,
          ...(oneTime === undefined ? {} : { oneTime }),
        })
    if (plaintext === undefined) {
      if (header.kind === 'text') await this.#askAgain(buddy, id)
      else archive.dropped.count('mail-unreadable')
      return []
    }
    const message = decodePeerMessage(plaintext)
    if (!message.ok || (message.value.kind === 'text' && message.value.id !== id)) {
      archive.dropped.count('mail-malformed')
      return []
    }
    const isTrusted = await archive.pins.judge(buddy, header.device)
    // What the keys at hand seal cannot be read there any more.
    if (message.value.kind === 'resend') this.#keys.forget(buddy.number)
    const used = prekeys.used(header.oneTimeNumber)
    const ids = await conversations().with(buddy.number).takeMail(message.value, isTrusted, used)
    if (message.value.kind === 'text') await this.#unreadable.forget(buddy.number, id)
    else if (used.length > 0) await archive.journal.commit(used)
    prekeys.forget(header.oneTimeNumber)
    return ids
  }

  async #askAgain(buddy: Buddy, id: MessageId): Promise<void> {
    const isNews = await this.#unreadable.note(buddy.number, id, personOf(buddy))
    // Not waited for: the delivery is acknowledged first, else the repetition would be taken for the same message.
    if (isNews) this.#mailLater(buddy.number, { kind: 'resend', ids: [id] })
  }

  #mailLater(buddy: AccountNumber, message: PeerMessage): void {
    setImmediate(() => {
      this.#mailOne(buddy, message).catch((error: unknown) => this.#failed(buddy, error))
    })
  }

  // ---- Receipts -------------------------------------------------------------------------------------------------

  #owe(buddy: AccountNumber, ids: readonly MessageId[], seq: MailSeq): void {
    if (this.#options.isInvisible()) {
      this.#options.session.acknowledge([seq])
      return
    }
    const owed = this.#owed.get(buddy) ?? { ids: new Set(), seqs: [] }
    this.#owed.set(buddy, owed)
    for (const id of ids) owed.ids.add(id)
    owed.seqs.push(seq)
    this.#receiptsAt ??= after(this.#options.clock.now(), RECEIPTS_AFTER_MS)
    this.#rearm()
  }

  async #confirm(buddy: AccountNumber, { ids, seqs }: Owed): Promise<void> {
    const some = [...ids].slice(0, MAX_RECEIPT_IDS)
    try {
      await this.#mailOne(buddy, { kind: 'receipt', state: 'delivered', ids: some })
    } catch (error) {
      this.#failed(buddy, error)
      // Without a server it is delivered again, and confirmed then. What the server refuses stays refused.
      if (isUnreachable(error)) {
        if (this.#options.session.isOnline) this.#oweLater(buddy, { ids, seqs })
        return
      }
    }
    this.#options.session.acknowledge(seqs)
  }

  #oweLater(buddy: AccountNumber, { ids, seqs }: Owed): void {
    const newer = this.#owed.get(buddy)
    this.#owed.set(buddy, {
      ids: new Set([...ids, ...(newer?.ids ?? [])]),
      seqs: [...seqs, ...(newer?.seqs ?? [])],
    })
    this.#receiptsAt ??= after(this.#options.clock.now(), RETRY_MS)
    this.#rearm()
  }

  // ---- Sending --------------------------------------------------------------------------------------------------

  /** Never rejects. */
  async #mail(buddy: AccountNumber): Promise<void> {
    const mailing = this.#mailings.get(buddy) ?? newMailing()
    this.#mailings.set(buddy, mailing)
    mailing.isMoreWanted = true
    if (mailing.isSending) return
    mailing.isSending = true
    try {
      while (mailing.isMoreWanted && this.#mayMail(buddy)) {
        mailing.isMoreWanted = false
        await this.#sendSome(buddy, mailing)
      }
    } catch (error) {
      this.#refused(buddy, error)
    }
    mailing.isSending = false
    this.#forgetIdle(buddy, mailing)
  }

  #mayMail(buddy: AccountNumber): boolean {
    const { archive, session, conversations } = this.#options
    return (
      !this.#isStopped &&
      session.isOnline &&
      archive.roster.get(buddy)?.state === 'accepted' &&
      !archive.pins.isChanged(buddy) &&
      !conversations().with(buddy).isConnected
    )
  }

  async #sendSome(buddy: AccountNumber, mailing: Mailing): Promise<void> {
    const { underWay } = mailing
    const unmailed = await this.#options.conversations().with(buddy).unmailed(MOST_AHEAD)
    const next = unmailed.filter(({ id }) => !underWay.has(id))
    for (const stored of next.slice(0, MOST_AHEAD - underWay.size)) {
      const sealed = await this.#seal(buddy, stored.id, asTextMessage(stored))
      if (sealed === undefined) return
      underWay.add(stored.id)
      void this.#follow(buddy, mailing, stored.id, this.#send(buddy, stored.id, sealed)) // never rejects
    }
  }

  /** Never rejects. */
  async #follow(
    buddy: AccountNumber,
    mailing: Mailing,
    id: MessageId,
    accepted: Promise<void>,
  ): Promise<void> {
    try {
      await accepted
    } catch (error) {
      mailing.underWay.delete(id)
      this.#forgetIdle(buddy, mailing)
      if (isMailboxFull(error)) await this.#giveUp(buddy, id)
      else this.#refused(buddy, error)
      return
    }
    mailing.taken.push(id)
    if (!mailing.isNoting) await this.#noteTaken(buddy, mailing)
  }

  /** What the server takes while the last ones are being noted is noted together. Never rejects. */
  async #noteTaken(buddy: AccountNumber, mailing: Mailing): Promise<void> {
    mailing.isNoting = true
    while (mailing.taken.length > 0) {
      const taken = mailing.taken
      mailing.taken = []
      try {
        await this.#options.conversations().with(buddy).mailed(taken)
        if (mailing.underWay.size - taken.length <= MOST_AHEAD / 2) mailing.isMoreWanted = true
      } catch (error) {
        this.#refused(buddy, error)
      }
      for (const id of taken) mailing.underWay.delete(id)
      if (mailing.isMoreWanted) void this.#mail(buddy) // never rejects
    }
    mailing.isNoting = false
    this.#forgetIdle(buddy, mailing)
  }

  /** To try again for a month would be to say nothing for a month: whoever wrote it is told. */
  async #giveUp(buddy: AccountNumber, id: MessageId): Promise<void> {
    try {
      await this.#options.conversations().with(buddy).mailRefused([id], 'mailbox-full')
      void this.#mail(buddy) // never rejects
    } catch (error) {
      this.#refused(buddy, error)
    }
  }

  #refused(buddy: AccountNumber, error: unknown): void {
    this.#failed(buddy, error)
    if (!isUnreachable(error) || this.#options.session.isOnline) this.#mailAfter(buddy, RETRY_MS)
  }

  #forgetIdle(buddy: AccountNumber, mailing: Mailing): void {
    const isIdle = !mailing.isSending && !mailing.isNoting && mailing.underWay.size === 0
    if (isIdle && this.#mailings.get(buddy) === mailing) this.#mailings.delete(buddy)
  }

  async #mailOne(buddy: AccountNumber, message: PeerMessage): Promise<void> {
    const { clock, random } = this.#options.archive
    const id = newMessageId(clock.wallNow(), random)
    const sealed = await this.#seal(buddy, id, message)
    if (sealed !== undefined) await this.#send(buddy, id, sealed)
  }

  async #send(buddy: AccountNumber, id: MessageId, body: Uint8Array): Promise<void> {
    const { session } = this.#options
    await session.request({ kind: 'send', to: buddy, messageId: fromHex(id), body })
  }

  /** `undefined`: there is nobody to seal it for whom we trust. */
  async #seal(
    number: AccountNumber,
    id: MessageId,
    message: PeerMessage,
  ): Promise<Uint8Array | undefined> {
    const { archive, own, device } = this.#options
    const buddy = archive.roster.get(number)
    const keys = await this.#keys.forMessage(number)
    if (keys === undefined || buddy === undefined) return undefined
    if (!(await archive.pins.judge(buddy, keys.device))) return undefined
    const kind: SealedKind = message.kind === 'text' ? 'text' : 'service'
    return sealMessage({
      kind,
      from: own,
      to: number,
      messageId: fromHex(id),
      sequence: message.kind === 'text' ? message.sequence : 0,
      device: device.keys,
      staticKey: device.staticKey,
      ephemeral: staticKeyFromSeed(archive.random.bytes(32)),
      recipient: keys,
      plaintext: encodePeerMessage(message),
    })
  }

  #mailAfter(buddy: AccountNumber, ms: number): void {
    const dueAt = after(this.#options.clock.now(), ms)
    const before = this.#due.get(buddy)
    if (before === undefined || dueAt < before) this.#due.set(buddy, dueAt)
    this.#rearm()
  }

  #handleTimeout(now: Instant): void {
    for (const [buddy, dueAt] of [...this.#due]) {
      if (dueAt > now) continue
      this.#due.delete(buddy)
      void this.#mail(buddy) // never rejects
    }
    if (this.#receiptsAt !== undefined && this.#receiptsAt <= now) {
      this.#receiptsAt = undefined
      for (const [buddy, owed] of this.#owed) void this.#confirm(buddy, owed) // never rejects
      this.#owed.clear()
    }
    this.#rearm()
  }

  #rearm(): void {
    if (!this.#isStopped) this.#alarm.set(earliest(this.#receiptsAt, ...this.#due.values()))
  }

  #failed(buddy: AccountNumber, error: unknown): void {
    this.#options.archive.logger.debug('Not mailed', { buddy, error: String(error) })
  }
}

/** A client's `withdraw` names no more; the rest is dropped by the receiver, who knows the ids. */
const MAX_WITHDRAWN = 60

function newMailing(): Mailing {
  return { underWay: new Set(), taken: [], isSending: false, isMoreWanted: false, isNoting: false }
}

function isMailboxFull(error: unknown): boolean {
  return error instanceof HollerError && error.code === 'MAILBOX_FULL'
}

function isUnreachable(error: unknown): boolean {
  return error instanceof HollerError && error.code === 'SERVER_UNREACHABLE'
}
