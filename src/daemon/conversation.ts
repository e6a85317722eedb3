/**
 * The conversation with one buddy, as one queue of steps: each reads the store, writes it, and only then sends or
 * announces, before the next begins.
 *
 *   write     a message goes to the disk as `queued`; whoever wrote it gets its id
 *   pump      while a live session stands: the outbox in its order, a window ahead of the receipts
 *   inbox     texts are written, announced, and then confirmed by a receipt; receipts end what the outbox holds
 *
 * A new session begins again with the oldest message that has no receipt: the receiver knows by the id what it has
 * and confirms it once more, so a message is shown once however often it is sent.
 */
import type { StoreChange } from '../core/store.ts'
import { decodePeerMessage } from '../protocol/peer/codec.ts'
import type {
  MessageId,
  PeerMessage,
  Receipt,
  Resend,
  TextMessage,
} from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import { ByteBudget } from './byte-budget.ts'
import type { StoredMessage } from './history.ts'
import { Incoming } from './incoming.ts'
import { newSession, type PeerLink, type Session } from './live-session.ts'
import { type Draft, Outgoing } from './outgoing.ts'
import type { ShownKeys } from './pins.ts'
import type { Buddy } from './roster.ts'
import { SerialQueue } from './serial-queue.ts'

/**
 * What may wait for the disk. A peer sends at most a window (128) ahead of our receipts; one that sends more than
 * this is cut off, and sends again what was not confirmed.
 */
const MAX_INBOX = 1024

/** What a message takes on disk beside its text, with its event. */
const RECORD_BYTES = 1024

/** Messages that go to the disk in one write. */
const MAX_BATCH = 256

interface Arrived {
  readonly message: PeerMessage
  readonly session: Session
}

export class Conversation {
  readonly #archive: Archive
  readonly #buddy: AccountNumber
  readonly #link: PeerLink
  readonly #outgoing: Outgoing
  readonly #incoming: Incoming
  readonly #steps = new SerialQueue()
  readonly #budget: ByteBudget
  #session: Session | undefined
  #inbox: Arrived[] = [] // ≤ MAX_INBOX
  #isPumpWaiting = false

  constructor(archive: Archive, buddy: AccountNumber, link: PeerLink) {
    this.#archive = archive
    this.#buddy = buddy
    this.#link = link
    this.#budget = new ByteBudget(archive.clock.now())
    this.#outgoing = new Outgoing(archive, buddy, link)
    this.#incoming = new Incoming(archive, buddy, link)
  }

  get isConnected(): boolean {
    return this.#session !== undefined
  }

  /** Resolves when the message is on disk; sending it follows. */
  async write(draft: Draft): Promise<StoredMessage> {
    const stored = await this.#steps.run(() => this.#outgoing.write(draft))
    if (this.#session === undefined) this.#link.wantSession(this.#buddy)
    else this.#pumpSoon()
    return stored
  }

  /** A live session stands, and its peer has proved these keys. */
  connected(keys: ShownKeys): void {
    this.closed()
    const session = newSession()
    this.#session = session
    this.#step(async () => {
      const buddy = this.#archive.roster.get(this.#buddy)
      if (buddy !== undefined) session.isTrusted = await this.#archive.pins.judge(buddy, keys)
      this.#pumpSoon() // not before: a pump that is waiting already would find the session untrusted
    })
  }

  closed(): void {
    if (this.#session !== undefined) this.#session.isClosed = true
    this.#session = undefined
  }

  /** The live session has room again. */
  sendReady(): void {
    const session = this.#session
    if (session !== undefined) this.#incoming.confirm(session)
    this.#pumpSoon()
  }

  /** One message from the live session. The bytes are only lent. */
  receive(bytes: Uint8Array): void {
    const session = this.#session
    if (session === undefined) {
      this.#archive.dropped.count('message-without-session')
      return
    }
    const message = decodePeerMessage(bytes)
    if (!message.ok) {
      this.#archive.dropped.count('message-malformed')
      this.#archive.logger.debug('Dropped a message', { buddy: this.#buddy, why: message.why })
      return
    }
    if (this.#inbox.length >= MAX_INBOX) {
      this.#archive.dropped.count('inbox-full')
      this.#link.disconnect(this.#buddy)
      return
    }
    this.#inbox.push({ message: message.value, session })
    if (this.#inbox.length === 1) this.#step(() => this.#emptyInbox())
  }

  /** The oldest messages that neither the buddy nor the server has confirmed, for the mail. */
  async unmailed(most: number): Promise<readonly StoredMessage[]> {
    return await this.#steps.run(() => this.#outgoing.unmailed(most))
  }

  async mailed(ids: readonly MessageId[]): Promise<void> {
    await this.#steps.run(() => this.#outgoing.mailed(ids))
  }

  /** The server will not take these for the buddy. */
  async mailRefused(ids: readonly MessageId[], reason: string): Promise<void> {
    if (ids.length > 0) await this.#steps.run(() => this.#outgoing.refused(ids, reason))
  }

  /**
   * One message that came by mail, with changes that are to be written with it. Gives the ids that are to be confirmed
   * by mail; where a live session stands, it confirms.
   */
  async takeMail(
    message: PeerMessage,
    isTrusted: boolean,
    others: readonly StoreChange[],
  ): Promise<readonly MessageId[]> {
    return await this.#steps.run(async () => {
      const from = this.#archive.roster.get(this.#buddy)
      if (from?.state !== 'accepted') {
        this.#archive.dropped.count('message-from-nobody')
        return []
      }
      if (message.kind !== 'text') {
        if (isTrusted) await this.#answer(message)
        return []
      }
      const ids = await this.#incoming.keep([message], from, isTrusted, others)
      const session = this.#session
      if (session?.isTrusted !== true) return [...ids]
      this.#incoming.owe(ids, session)
      return []
    })
  }

  /** Gives up everything that waits: they are no buddy any more. */
  async fail(reason: string): Promise<void> {
    await this.#steps.run(() => this.#outgoing.fail(reason))
  }

  async expire(): Promise<void> {
    await this.#steps.run(() => this.#outgoing.expire())
  }

  /** Resolves when no step is under way. */
  async idle(): Promise<void> {
    await this.#steps.idle()
  }

  #pumpSoon(): void {
    const session = this.#session
    if (session === undefined || this.#isPumpWaiting) return
    this.#isPumpWaiting = true
    this.#step(async () => {
      this.#isPumpWaiting = false
      if (this.#session !== undefined) await this.#outgoing.pump(this.#session)
    })
  }

  async #emptyInbox(): Promise<void> {
    while (this.#inbox.length > 0) {
      const batch = this.#inbox.slice(0, MAX_BATCH)
      this.#inbox = this.#inbox.slice(MAX_BATCH)
      for (const session of new Set(batch.map((arrived) => arrived.session))) {
        await this.#take(
          batch.filter((arrived) => arrived.session === session).map(({ message }) => message),
          session,
        )
      }
    }
  }

  async #take(messages: readonly PeerMessage[], session: Session): Promise<void> {
    const from = this.#archive.roster.get(this.#buddy)
    if (from?.state !== 'accepted') {
      this.#archive.dropped.count('message-from-nobody')
      this.#link.disconnect(this.#buddy)
      return
    }
    const texts: TextMessage[] = []
    for (const message of messages) {
      if (message.kind === 'text') texts.push(message)
      else await this.#answer(message, session)
    }
    if (texts.length < messages.length) this.#pumpSoon()
    if (texts.length > 0) await this.#takeTexts(texts, from, session)
  }

  // Who is over the budget is cut off, and begins again later with what was not confirmed: nothing is lost.
  async #takeTexts(texts: readonly TextMessage[], from: Buddy, session: Session): Promise<void> {
    const bytes = texts.reduce((sum, { text }) => sum + RECORD_BYTES + Buffer.byteLength(text), 0)
    if (!this.#budget.take(this.#archive.clock.now(), bytes)) {
      this.#archive.dropped.count('message-over-budget')
      this.#link.disconnect(this.#buddy)
      return
    }
    await this.#incoming.take(texts, from, session)
  }

  async #answer(message: Receipt | Resend, session?: Session): Promise<void> {
    if (message.kind === 'receipt') await this.#outgoing.confirm(message, session)
    else if (await this.#outgoing.sendAgain(message.ids)) this.#link.wantSession(this.#buddy)
  }

  // A step that fails has met a disk that does not write. The session ends, so that the other side sends again what
  // was not confirmed, and ours begins again with what is on disk.
  #step(step: () => Promise<void>): void {
    this.#steps.run(step).catch((error: unknown) => {
      this.#archive.logger.error('A step of a conversation failed', {
        buddy: this.#buddy,
        error: String(error),
      })
      this.#inbox = []
      this.#link.disconnect(this.#buddy)
    })
  }
}
