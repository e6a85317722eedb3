/**
 * Sealed messages from one account to another. Who is there gets a message at once; what nobody has acknowledged
 * within two seconds is stored, and so is everything for those who are not there.
 *
 *     send ─► recipient there, with room ─► deliver ─► ack within 2 s ──────────────► accepted at="recipient"
 *              │                              └─ no ack, or the session ended ─┐
 *              └─ else ────────────────────────────────────────► stored, synced ─► accepted at="mailbox"
 *
 * `accepted` is never said before the message is on a disk: the recipient's or ours. Numbers are given in the order in
 * which messages came, and each session gets what is stored in the order of the numbers before it gets anything new,
 * so each sender's order is kept. A client that does not acknowledge gets no more than a window of messages; one that
 * does not read is cut by its stream. Either way its mail is stored, and nobody else notices.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import type {
  AccountNumber,
  Accepted,
  MailSeq,
  Send,
  Withdraw,
} from '../protocol/server/messages.ts'
import { type Answer, done, type Refusal, refused } from './answer.ts'
import { Deadlines } from './deadlines.ts'
import type { Directory } from './directory.ts'
import type { OnlineAccount } from './online-account.ts'
import type { Outside } from './outside.ts'
import type { Mail, MailStore, NewMail } from './store/mail-store.ts'

/** A daemon acknowledges when its disk has the message: some milliseconds and a round trip. */
export const STORE_AFTER_MS = 2_000

/** What one session may have unacknowledged: with base64 well below what its stream may hold (256 KiB). */
export const WINDOW = { messages: 32, bytes: 128 * 1024 }

/**
 * Numbers are reserved on disk so many at a time, and the next ones when half of them are used: a disk that is stalled for
 * half a minute holds up nobody who writes to somebody that is there. There are enough for a thousand million starts.
 */
const RESERVED_AT_ONCE = 1_000_000

/** What nobody has fetched in a month is given up; counted in time that the server runs (`mail-store.ts`). */
export const MAIL_LIFE_MS = 30 * 24 * 3_600_000

/** How often the mail grows older: what a crash forgets of it is nothing beside a month. */
const AGE_EVERY_MS = 600_000

/** When a client may try again after the store failed: a full disk is not emptied sooner. */
const STORE_RETRY_MS = 5_000

type Delivery = 'mailbox' | Refusal

type OnAnswer = (outcome: Accepted['at'] | Refusal) => void

/** A message that is nowhere yet but at the recipient's daemon, perhaps. */
interface Unstored {
  readonly mail: NewMail
  readonly answer: OnAnswer
  /** The recipient has it: what is being stored is to be forgotten again. */
  isAcknowledged: boolean
  isStoring: boolean
}

/** What one session has been given, and what it has not had yet. */
interface Feed {
  readonly account: OnlineAccount
  readonly window: Map<MailSeq, number> // ≤ WINDOW, and one long message: bytes, by number
  windowBytes: number
  /** Everything stored up to here has been given. */
  cursor: MailSeq
  /** Nothing is stored beyond the cursor, nor about to be: new mail may be given at once. */
  isCaughtUp: boolean
  isReading: boolean
  /** Messages for it that are on their way to the disk, and those that have got there. */
  storing: number
  stored: number
}

interface SeqRange {
  next: MailSeq
  readonly before: MailSeq
}

export interface MailboxOptions {
  readonly store: MailStore
  readonly directory: Directory
  readonly outside: Outside
  /** Who looks offline must look so here too: their mail is accepted as if they were. */
  readonly isInvisible: (number: AccountNumber) => boolean
  /** `pollTimeout` has changed. */
  readonly onDeadline: () => void
}

export class Mailbox {
  readonly #options: MailboxOptions
  readonly #feeds = new Map<OnlineAccount, Feed>() // one for each session
  readonly #unstored = new Map<MailSeq, Unstored>() // ≤ the windows of all feeds
  readonly #deadlines = new Deadlines<MailSeq>()
  readonly #reserved: SeqRange[] = [] // ≤ 2
  #isReserving = false
  #ageAt: Instant | undefined

  constructor(options: MailboxOptions) {
    this.#options = options
  }

  /** To be waited for before the first session. @throws HollerError `STORE_UNUSABLE` */
  async open(): Promise<void> {
    await this.#reserveMore()
    this.#ageAt = after(this.#options.outside.clock.now(), AGE_EVERY_MS)
    this.#options.onDeadline()
  }

  /**
   * Takes messages of one sender in the order of the calls, however long each takes to be accepted. `answer` is called
   * once, perhaps before this returns.
   */
  send(now: Instant, from: OnlineAccount, { to, messageId, body }: Send, answer: OnAnswer): void {
    if (!from.isBuddy(to)) {
      answer(refused('not-buddies', 'Only buddies can be written to'))
      return
    }
    const seq = this.#takeSeq()
    if (seq === undefined) {
      answer(storeFailed())
      return
    }
    const { identity } = from.device
    const mail = { owner: to, seq, from: from.number, device: identity, messageId, body }
    const feed = this.#feedOf(to)
    if (feed === undefined) {
      void this.#store(mail).then(answer) // never rejects
      return
    }
    const mayForward = feed.isCaughtUp && hasRoom(feed, body.length)
    if (mayForward && !this.#options.isInvisible(to)) this.#forward(now, feed, mail, answer)
    else void this.#storeFor(feed, mail).then(answer) // never rejects
  }

  /** The session's daemon has these on its disk. What was never given to this session is none of its business. */
  acknowledge(account: OnlineAccount, seqs: readonly MailSeq[]): void {
    const feed = this.#feeds.get(account)
    if (feed === undefined) return
    const stored: MailSeq[] = []
    for (const seq of seqs) {
      const bytes = feed.window.get(seq)
      if (bytes === undefined) continue
      feed.window.delete(seq)
      feed.windowBytes -= bytes
      const unstored = this.#unstored.get(seq)
      if (unstored === undefined) stored.push(seq)
      else this.#acknowledged(seq, unstored)
    }
    this.#remove(account.number, stored)
    if (!feed.isCaughtUp) void this.#feed(feed) // never rejects
  }

  async withdraw(from: OnlineAccount, { to, messageIds }: Withdraw): Promise<Answer> {
    const { identity } = from.device
    const mail = { owner: to, from: from.number, device: identity }
    await this.#options.store.withdraw(mail, messageIds)
    return done
  }

  /** The session can be told things now: it gets what waits. */
  arrived(account: OnlineAccount): void {
    if (!account.session.isOpen) return
    const feed: Feed = {
      account,
      window: new Map(),
      windowBytes: 0,
      cursor: 0,
      isCaughtUp: false,
      isReading: false,
      storing: 0,
      stored: 0,
    }
    this.#feeds.set(account, feed)
    void this.#feed(feed) // never rejects
  }

  /** What the session had been given and nobody has confirmed is stored now, before a next session reads. */
  ended(account: OnlineAccount): void {
    const feed = this.#feeds.get(account)
    this.#feeds.delete(account)
    if (feed === undefined) return
    for (const seq of [...feed.window.keys()].sort((a, b) => a - b)) this.#storeLate(seq)
  }

  handleTimeout(now: Instant): void {
    if (this.#ageAt !== undefined && this.#ageAt <= now) {
      this.#ageAt = after(now, AGE_EVERY_MS)
      void this.#age() // never rejects
    }
    for (;;) {
      const seq = this.#deadlines.takeDue(now)
      if (seq === undefined) return
      this.#storeLate(seq)
    }
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#deadlines.earliest, this.#ageAt)
  }

  #takeSeq(): MailSeq | undefined {
    const [range] = this.#reserved
    if (range === undefined || this.#isRunningOut(range)) void this.#reserve() // never rejects
    if (range === undefined) return undefined
    range.next += 1
    if (range.next === range.before) this.#reserved.shift()
    return range.next - 1
  }

  #isRunningOut({ next, before }: SeqRange): boolean {
    return this.#reserved.length === 1 && before - next < RESERVED_AT_ONCE / 2
  }

  async #reserve(): Promise<void> {
    if (this.#isReserving) return
    this.#isReserving = true
    try {
      await this.#reserveMore()
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isReserving = false
    }
  }

  async #reserveMore(): Promise<void> {
    const first = await this.#options.store.reserve(RESERVED_AT_ONCE)
    this.#reserved.push({ next: first, before: first + RESERVED_AT_ONCE })
  }

  #feedOf(owner: AccountNumber): Feed | undefined {
    const account = this.#options.directory.ready(owner)
    return account === undefined ? undefined : this.#feeds.get(account)
  }

  #forward(now: Instant, feed: Feed, mail: NewMail, answer: OnAnswer): void {
    this.#deliver(feed, mail)
    this.#unstored.set(mail.seq, { mail, answer, isAcknowledged: false, isStoring: false })
    const before = this.#deadlines.earliest
    this.#deadlines.set(mail.seq, after(now, STORE_AFTER_MS))
    if (this.#deadlines.earliest !== before) this.#options.onDeadline()
    if (!feed.account.session.isOpen) this.#storeLate(mail.seq) // the stream was full, and has been cut
  }

  #acknowledged(seq: MailSeq, unstored: Unstored): void {
    unstored.isAcknowledged = true
    if (unstored.isStoring) return
    this.#unstored.delete(seq)
    this.#deadlines.delete(seq)
    unstored.answer('recipient')
  }

  #storeLate(seq: MailSeq): void {
    const unstored = this.#unstored.get(seq)
    if (unstored === undefined || unstored.isStoring) return
    unstored.isStoring = true
    this.#deadlines.delete(seq)
    void this.#store(unstored.mail).then((outcome) => {
      this.#unstored.delete(seq)
      if (unstored.isAcknowledged && outcome === 'mailbox') this.#remove(unstored.mail.owner, [seq])
      unstored.answer(unstored.isAcknowledged ? 'recipient' : outcome)
    })
  }

  /** Never rejects. */
  async #store(mail: NewMail): Promise<Delivery> {
    try {
      const outcome = await this.#options.store.append(mail)
      return outcome.kind === 'full' ? fullOf(outcome.whose) : 'mailbox'
    } catch (error) {
      this.#failed(error)
      return storeFailed()
    }
  }

  /** The owner is there all the same: with a full window, or not looking so. */
  async #storeFor(feed: Feed, mail: NewMail): Promise<Delivery> {
    feed.isCaughtUp = false
    feed.storing += 1
    const outcome = await this.#store(mail)
    feed.storing -= 1
    feed.stored += 1
    void this.#feed(feed) // never rejects
    return outcome
  }

  /** Gives what is stored, as far as the window allows. Never rejects. */
  async #feed(feed: Feed): Promise<void> {
    if (feed.isReading) return
    feed.isReading = true
    try {
      while (feed.account.session.isOpen && !feed.isCaughtUp && hasRoom(feed, 0)) {
        await this.#feedPage(feed)
      }
    } catch (error) {
      this.#failed(error)
      feed.account.session.end('timeout') // it comes back, and reads again
    } finally {
      feed.isReading = false
    }
  }

  async #feedPage(feed: Feed): Promise<void> {
    const { store } = this.#options
    const { number } = feed.account
    const { stored } = feed
    await store.settled(number)
    const mails = await store.read(number, feed.cursor, {
      messages: WINDOW.messages - feed.window.size,
      bytes: WINDOW.bytes - feed.windowBytes,
    })
    for (const mail of mails) this.#deliver(feed, mail)
    // What is stored after the look at `stored` may not have been read.
    feed.isCaughtUp = mails.length === 0 && feed.storing === 0 && feed.stored === stored
  }

  #deliver(feed: Feed, { seq, from, messageId, body }: Mail): void {
    feed.window.set(seq, body.length)
    feed.windowBytes += body.length
    feed.cursor = Math.max(feed.cursor, seq)
    feed.account.session.send({ kind: 'deliver', seq, from, messageId, body })
  }

  #remove(owner: AccountNumber, seqs: readonly MailSeq[]): void {
    if (seqs.length === 0) return
    // What cannot be forgotten now is delivered once more, and its recipient knows it by its id.
    this.#options.store.remove(owner, seqs).catch((error: unknown) => this.#failed(error))
  }

  async #age(): Promise<void> {
    try {
      const count = await this.#options.store.age(AGE_EVERY_MS, MAIL_LIFE_MS)
      if (count > 0) this.#options.outside.logger.info('mail expired', { count })
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    this.#options.outside.logger.error('The mailbox failed', { why: String(error) })
  }
}

function hasRoom({ window, windowBytes }: Feed, bytes: number): boolean {
  return window.size < WINDOW.messages && windowBytes + bytes <= WINDOW.bytes
}

function fullOf(whose: 'owner' | 'sender'): Refusal {
  return whose === 'sender'
    ? refused('mailbox-full', 'Too many of your messages wait there already')
    : refused('mailbox-full', 'The mailbox is full')
}

function storeFailed(): Refusal {
  return refused('temporary', 'The server cannot reach its store', STORE_RETRY_MS)
}
