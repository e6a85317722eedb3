/** All conversations of one account, and the one door for sending. */
import { HollerError } from '../core/holler-error.ts'
import { utf8 } from '../core/bytes.ts'
import type { MessageState } from '../protocol/control/schema.ts'
import { parseMessageId } from '../protocol/peer/message-id.ts'
import { MAX_TEXT_BYTES, type MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import { Conversation } from './conversation.ts'
import type { StoredMessage } from './history.ts'
import type { PeerLink } from './live-session.ts'
import type { Draft } from './outgoing.ts'
import type { Buddy } from './roster.ts'
import { SerialQueue } from './serial-queue.ts'

export interface Wish {
  readonly to: Buddy
  readonly text: string
  /** Sending twice with the same one sends once. */
  readonly clientId?: string
  readonly replyTo?: string
}

/** The states that a sender may wait for. */
export type AwaitedState = 'queued' | 'server' | 'delivered' | 'read'

export class Conversations {
  readonly #archive: Archive
  readonly #link: PeerLink
  readonly #conversations = new Map<AccountNumber, Conversation>() // one per buddy
  /** Sending with a client id looks first and writes then: one at a time. */
  readonly #sending = new SerialQueue()

  constructor(archive: Archive, link: PeerLink) {
    this.#archive = archive
    this.#link = link
  }

  with(buddy: AccountNumber): Conversation {
    const known = this.#conversations.get(buddy)
    if (known !== undefined) return known
    const conversation = new Conversation(this.#archive, buddy, this.#link)
    this.#conversations.set(buddy, conversation)
    return conversation
  }

  /**
   * Resolves when the message is on disk; from then on it will be delivered, or its end be told.
   *
   * @throws HollerError `TOO_LARGE`, `BUDDY_UNKNOWN`, `IDENTITY_CHANGED`, `NOT_FOUND` (reply to what?), `CLIENT_ID_REUSED`, `BUSY`.
   */
  async send({ to, text, clientId, replyTo }: Wish): Promise<StoredMessage> {
    const draft = { text: wellFormed(text), ...(clientId === undefined ? {} : { clientId }) }
    const repeated = clientId === undefined ? undefined : () => this.#repeated(clientId, to, draft)
    const write = async (): Promise<StoredMessage> => {
      const before = await repeated?.()
      if (before !== undefined) return before
      this.#refuseUnreachable(to)
      return await this.with(to.number).write(await this.#withReply(draft, to, replyTo))
    }
    return await (repeated === undefined ? write() : this.#sending.run(write))
  }

  /**
   * Resolves when the message has got as far as asked, or has ended otherwise; whoever gives up aborts the signal.
   *
   * @throws HollerError `NOT_FOUND` when there is no such message.
   */
  async settled(id: MessageId, wanted: AwaitedState, signal: AbortSignal): Promise<StoredMessage> {
    const changes = this.#archive.stateChanges
    return await new Promise<StoredMessage>((resolve, reject) => {
      const look = (stored: StoredMessage | undefined): void => {
        if (stored === undefined) finish(() => reject(noMessage(id)))
        else if (stored.id === id && hasReached(stored.state, wanted)) finish(() => resolve(stored))
      }
      const finish = (act: () => void): void => {
        forget()
        signal.removeEventListener('abort', abort)
        act()
      }
      const abort = (): void => finish(() => reject(signal.reason as Error))
      const forget = changes.add(look) // before looking, or a change in between would be missed
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      this.#archive.history.get(id).then(look, reject)
    })
  }

  /** Gives up what has waited for 30 days. */
  async expire(): Promise<void> {
    for (const buddy of this.#archive.outbox.buddies()) await this.with(buddy).expire()
  }

  /** Resolves when no step of any conversation is under way. */
  async idle(): Promise<void> {
    await this.#sending.idle()
    for (const conversation of this.#conversations.values()) await conversation.idle()
  }

  async #repeated(clientId: string, to: Buddy, draft: Draft): Promise<StoredMessage | undefined> {
    const before = await this.#archive.history.byClientId(clientId)
    if (before === undefined) return undefined
    if (before.buddy === to.number && before.text === draft.text) return before
    throw new HollerError(
      'CLIENT_ID_REUSED',
      `Another message was sent with client_id "${clientId}" already`,
    )
  }

  #refuseUnreachable(to: Buddy): void {
    if (to.state !== 'accepted') {
      throw new HollerError('BUDDY_UNKNOWN', `${to.handle} (${to.number}) is not your buddy yet`)
    }
    if (this.#archive.pins.isChanged(to.number)) {
      throw new HollerError(
        'IDENTITY_CHANGED',
        `The identity of ${to.handle} (${to.number}) has changed; nothing is sent until you accept it (holler identity accept)`,
      )
    }
  }

  async #withReply(draft: Draft, to: Buddy, replyTo: string | undefined): Promise<Draft> {
    if (replyTo === undefined) return draft
    const id = parseMessageId(replyTo)
    const answered = id === undefined ? undefined : await this.#archive.history.get(id)
    if (answered?.buddy !== to.number) throw noMessage(replyTo)
    return { ...draft, replyTo: answered.id }
  }
}

export function noMessage(id: string): HollerError {
  return new HollerError('NOT_FOUND', `No message "${id}"`)
}

// What is not Unicode (halves of surrogate pairs) cannot be UTF-8; it becomes U+FFFD, as String.toWellFormed does it.
function wellFormed(text: string): string {
  const bytes = utf8(text)
  if (bytes.length > MAX_TEXT_BYTES) {
    throw new HollerError(
      'TOO_LARGE',
      `A message has at most ${MAX_TEXT_BYTES} bytes of text, this one ${bytes.length}; send it as a file`,
    )
  }
  return Buffer.from(bytes).toString('utf8')
}

function hasReached(state: MessageState, wanted: AwaitedState): boolean {
  switch (state) {
    case 'queued':
    case 'sent-direct':
      return wanted === 'queued'
    case 'at-server':
      return wanted === 'queued' || wanted === 'server'
    case 'delivered':
      return wanted !== 'read'
    case 'read':
    case 'failed':
    case 'expired':
    case 'cancelled':
      return true
  }
}
