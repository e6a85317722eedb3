/**
 * A buddy's messages to us: written, then announced, then confirmed. A message that is known by its id is only
 * confirmed again. Both methods are steps of the conversation's queue.
 */
import type { StoreChange } from '../core/store.ts'
import { encodePeerMessage } from '../protocol/peer/codec.ts'
import { MAX_RECEIPT_IDS, type MessageId, type TextMessage } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import type { DurableEvent } from './events.ts'
import type { Counters, StoredMessage } from './history.ts'
import type { PeerLink, Session } from './live-session.ts'
import { type Buddy, personOf } from './roster.ts'

/** A peer that writes on and on without reading receipts is cut off; a well-behaved one stops after its window. */
const MAX_OWED_RECEIPTS = 4096

interface Arrival {
  readonly stored: StoredMessage
  /** How many earlier messages had not come. */
  readonly missing: number
}

export class Incoming {
  readonly #archive: Archive
  readonly #buddy: AccountNumber
  readonly #link: PeerLink

  constructor(archive: Archive, buddy: AccountNumber, link: PeerLink) {
    this.#archive = archive
    this.#buddy = buddy
    this.#link = link
  }

  /** Takes messages that came together on a live session, and confirms them there. */
  async take(texts: readonly TextMessage[], from: Buddy, session: Session): Promise<void> {
    this.owe(await this.keep(texts, from, session.isTrusted), session)
  }

  /** These are on disk; the session tells the buddy. */
  owe(ids: Iterable<MessageId>, session: Session): void {
    for (const id of ids) session.owed.add(id)
    this.confirm(session)
  }

  /**
   * Puts messages that came together on the disk, as one write, with other changes that belong to it. Gives the ids
   * that are to be confirmed: those that were there before too.
   */
  async keep(
    texts: readonly TextMessage[],
    from: Buddy,
    isTrusted: boolean,
    others: readonly StoreChange[] = [],
  ): Promise<ReadonlySet<MessageId>> {
    const seen = new Set<MessageId>()
    const arrivals: Arrival[] = []
    let counters = await this.#archive.history.counters(this.#buddy)
    for (const text of texts) {
      const verdict = seen.has(text.id) ? 'known' : await this.#verdict(text)
      if (verdict === 'not-theirs') continue
      seen.add(text.id)
      if (verdict === 'known') continue
      const missing = Math.max(0, text.sequence - counters.received - 1)
      counters = counted(counters, text)
      arrivals.push({ stored: this.#asStored(text, counters, isTrusted), missing })
    }
    await this.#write(arrivals, counters, from, others)
    return seen
  }

  /** Sends the receipts that are owed, as far as the session has room. */
  confirm(session: Session): void {
    while (session.owed.size > 0 && !session.isClosed) {
      const ids = [...session.owed].slice(0, MAX_RECEIPT_IDS)
      const receipt = { kind: 'receipt', state: 'delivered', ids } as const
      if (!this.#link.send(this.#buddy, encodePeerMessage(receipt))) break
      for (const id of ids) session.owed.delete(id)
    }
    // It takes our receipts and does not read them: let it begin again.
    if (session.owed.size > MAX_OWED_RECEIPTS) this.#link.disconnect(this.#buddy)
  }

  // A stranger's id that names a message of another conversation, or one of ours, would overwrite it.
  async #verdict({ id }: TextMessage): Promise<'new' | 'known' | 'not-theirs'> {
    const known = await this.#archive.history.get(id)
    if (known === undefined) return 'new'
    if (known.buddy === this.#buddy && known.direction === 'in') return 'known'
    this.#archive.dropped.count('message-id-taken')
    return 'not-theirs'
  }

  #asStored(text: TextMessage, { order }: Counters, isTrusted: boolean): StoredMessage {
    const { id, sequence, sentAtMs, replyTo } = text
    return {
      id,
      text: text.text,
      sequence,
      sentAtMs,
      ...(replyTo === undefined ? {} : { replyTo }),
      direction: 'in',
      buddy: this.#buddy,
      state: 'delivered',
      atMs: this.#archive.clock.wallNow(),
      order,
      ...(isTrusted ? {} : { isIdentityChanged: true }),
    }
  }

  async #write(
    arrivals: readonly Arrival[],
    counters: Counters,
    from: Buddy,
    others: readonly StoreChange[],
  ): Promise<void> {
    if (arrivals.length === 0) return
    const { journal, history } = this.#archive
    await journal.commit(
      [
        ...arrivals.flatMap(({ stored }) => history.added(stored)),
        history.counted(this.#buddy, counters),
        ...others,
      ],
      arrivals.map((arrival) => receivedEvent(arrival, from)),
    )
  }
}

function counted(before: Counters, { sequence }: TextMessage): Counters {
  return {
    ...before,
    received: Math.max(before.received, sequence),
    order: before.order + 1,
  }
}

function receivedEvent({ stored, missing }: Arrival, from: Buddy): DurableEvent {
  const { id, text, sentAtMs, replyTo, isIdentityChanged } = stored
  return {
    type: 'message.received',
    data: {
      id,
      from: personOf(from),
      text,
      sentAt: isoTime(sentAtMs),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(missing === 0 ? {} : { missing }),
      ...(isIdentityChanged === undefined ? {} : { isIdentityChanged }),
    },
  }
}

// A peer may claim any moment; what no calendar has is the beginning of time.
function isoTime(ms: number): string {
  const date = new Date(ms)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString()
}
