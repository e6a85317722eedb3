/**
 * Our messages to one buddy: on disk first, then sent in their order, resent on each new live session until the
 * buddy's receipt says that they are on the disk there.
 *
 *     queued ──► sent-direct | at-server ──► delivered ──► read        failed (not buddies any more) | expired (30 days)
 *
 * Every method is a step of the conversation's queue: none of them runs while another does.
 */
import { HollerError } from '../core/holler-error.ts'
import type { MessageState } from '../protocol/control/schema.ts'
import { encodePeerMessage } from '../protocol/peer/codec.ts'
import { newMessageId } from '../protocol/peer/message-id.ts'
import type { MessageId, Receipt, TextMessage } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import type { DurableEvent } from './events.ts'
import type { StoredMessage } from './history.ts'
import type { PeerLink, Session } from './live-session.ts'

import { personOf } from './roster.ts'

/** A message that nobody has taken for so long is given up. */
export const EXPIRY_MS = 30 * 24 * 3_600_000

/**
 * How far sending runs ahead of the receipts. It bounds what both ends hold in memory, and 128 messages a round trip
 * are more than anybody types.
 */
const MAX_IN_FLIGHT = 128
const MAX_IN_FLIGHT_BYTES = 1024 * 1024

/** Local users may queue for buddies who are away; beyond this something writes messages that nobody fetches. */
const MAX_OUTBOX = 100_000

/** Messages of one buddy that are remembered as sent once more. */
const MAX_SENT_AGAIN = 1_024

export interface Draft {
  readonly text: string
  readonly clientId?: string
  readonly replyTo?: MessageId
}

export class Outgoing {
  readonly #archive: Archive
  readonly #buddy: AccountNumber
  readonly #link: PeerLink
  readonly #sentAgain = new Set<MessageId>() // ≤ MAX_SENT_AGAIN, the oldest forgotten

  constructor(archive: Archive, buddy: AccountNumber, link: PeerLink) {
    this.#archive = archive
    this.#buddy = buddy
    this.#link = link
  }

  /** @throws HollerError `BUSY` when far too much waits already. */
  async write(draft: Draft): Promise<StoredMessage> {
    const { clock, random, history, outbox, journal } = this.#archive
    if (outbox.size >= MAX_OUTBOX) {
      throw new HollerError('BUSY', `${MAX_OUTBOX} messages are waiting to be delivered already`)
    }
    const before = await history.counters(this.#buddy)
    const now = { ...before, sent: before.sent + 1, order: before.order + 1 }
    const atMs = clock.wallNow()
    const stored: StoredMessage = {
      ...draft,
      id: newMessageId(atMs, random),
      direction: 'out',
      buddy: this.#buddy,
      state: 'queued',
      atMs,
      sentAtMs: atMs,
      order: now.order,
      sequence: now.sent,
    }
    await journal.commit(
      [...history.added(stored), history.counted(this.#buddy, now), outbox.added(stored)],
      [this.#stateEvent(stored)],
    )
    outbox.count(this.#buddy, 1)
    return stored
  }

  /** Sends what has not been sent in this session, as far as the window allows. */
  async pump(session: Session): Promise<void> {
    if (!session.isTrusted) return
    const sent: StoredMessage[] = []
    for await (const { id, sequence } of this.#archive.outbox.after(this.#buddy, session.sent)) {
      if (session.isClosed || isFull(session)) break
      const stored = await this.#archive.history.get(id)
      if (stored === undefined) continue
      const bytes = encodePeerMessage(asTextMessage(stored))
      if (!this.#link.send(this.#buddy, bytes)) break
      session.sent = sequence
      session.inFlight.set(id, bytes.length)
      if (stored.state === 'queued') sent.push(stored)
    }
    await this.#settle(sent, 'sent-direct')
  }

  /** The buddy has it on disk, or has read it. Ids that are not ours to them are dropped. */
  async confirm({ ids, state }: Receipt, session?: Session): Promise<void> {
    const confirmed: StoredMessage[] = []
    for (const id of new Set(ids)) {
      session?.inFlight.delete(id)
      const stored = await this.#archive.history.get(id)
      if (stored?.buddy !== this.#buddy || stored.direction !== 'out') {
        this.#archive.dropped.count('receipt-unknown')
      } else if (isNews(stored.state, state)) {
        confirmed.push(stored)
      }
    }
    await this.#settle(confirmed, state)
    const atServer = confirmed.filter((stored) => stored.state === 'at-server')
    // A receipt by mail says that the mail was read; one of a live session may have overtaken it.
    if (session !== undefined && atServer.length > 0) {
      this.#link.withdraw(
        this.#buddy,
        atServer.map(({ id }) => id),
      )
    }
  }

  /** The oldest messages that the server does not have, in their order. */
  async unmailed(most: number): Promise<readonly StoredMessage[]> {
    const unmailed: StoredMessage[] = [] // ≤ most
    for await (const { id } of this.#archive.outbox.after(this.#buddy, 0)) {
      if (unmailed.length >= most) break
      const stored = await this.#archive.history.get(id)
      if (stored?.state === 'queued' || stored?.state === 'sent-direct') unmailed.push(stored)
    }
    return unmailed
  }

  /** The server has taken these. */
  async mailed(ids: readonly MessageId[]): Promise<void> {
    await this.#settle(
      await this.#ours(ids, (state) => state === 'queued' || state === 'sent-direct'),
      'at-server',
    )
  }

  /** The buddy could not read these. Once for each: whatever is wrong, it does not go on for ever. */
  async sendAgain(ids: readonly MessageId[]): Promise<boolean> {
    const wanted = ids.filter((id) => !this.#sentAgain.has(id))
    const again = await this.#ours(wanted, (state) => state === 'at-server')
    for (const { id } of again) this.#sentAgain.add(id)
    for (const id of this.#sentAgain) {
      if (this.#sentAgain.size <= MAX_SENT_AGAIN) break
      this.#sentAgain.delete(id)
    }
    await this.#settle(again, 'queued')
    return again.length > 0
  }

  /** Gives up everything that waits. */
  async fail(reason: string): Promise<void> {
    await this.#settle(await this.#waiting(Infinity), 'failed', reason)
  }

  /** The server will not take these; a live session may have delivered them meanwhile. */
  async refused(ids: readonly MessageId[], reason: string): Promise<void> {
    const refused = await this.#ours(ids, (state) => state === 'queued' || state === 'sent-direct')
    await this.#settle(refused, 'failed', reason)
  }

  /** Gives up what has waited for too long. */
  async expire(): Promise<void> {
    const before = this.#archive.clock.wallNow() - EXPIRY_MS
    await this.#settle(await this.#waiting(before), 'expired')
  }

  async #ours(
    ids: readonly MessageId[],
    isMeant: (state: MessageState) => boolean,
  ): Promise<StoredMessage[]> {
    const ours: StoredMessage[] = []
    for (const id of ids) {
      const stored = await this.#archive.history.get(id)
      const isOurs = stored?.buddy === this.#buddy && stored.direction === 'out'
      if (isOurs && isMeant(stored.state)) ours.push(stored)
    }
    return ours
  }

  async #waiting(beforeMs: number): Promise<StoredMessage[]> {
    const waiting: StoredMessage[] = []
    for await (const { id } of this.#archive.outbox.after(this.#buddy, 0)) {
      const stored = await this.#archive.history.get(id)
      if (stored === undefined) continue
      if (stored.atMs >= beforeMs) break
      waiting.push(stored)
    }
    return waiting
  }

  async #settle(
    messages: readonly StoredMessage[],
    state: MessageState,
    reason?: string,
  ): Promise<void> {
    if (messages.length === 0) return
    const { journal, history, outbox, stateChanges } = this.#archive
    const changed = messages.map((stored) => ({
      ...stored,
      state,
      ...(reason === undefined ? {} : { reason }),
    }))
    const ended = isWaiting(state) ? [] : messages.filter((stored) => isWaiting(stored.state))
    await journal.commit(
      [
        ...changed.map((stored) => history.changed(stored)),
        ...ended.map((stored) => outbox.removed(stored)),
      ],
      changed.map((stored) => this.#stateEvent(stored)),
    )
    outbox.count(this.#buddy, -ended.length)
    for (const stored of changed) stateChanges.tell(stored)
  }

  #stateEvent({ id, state, reason }: StoredMessage): DurableEvent {
    const buddy = this.#archive.roster.get(this.#buddy)
    const person = buddy === undefined ? { number: this.#buddy, handle: '' } : personOf(buddy)
    return {
      type: 'message.state',
      data: { id, buddy: person, state, ...(reason === undefined ? {} : { reason }) },
    }
  }
}

export function asTextMessage({
  id,
  sequence,
  sentAtMs,
  text,
  replyTo,
}: StoredMessage): TextMessage {
  return {
    kind: 'text',
    id,
    sequence,
    sentAtMs,
    text,
    ...(replyTo === undefined ? {} : { replyTo }),
  }
}

function isFull({ inFlight }: Session): boolean {
  let bytes = 0
  for (const length of inFlight.values()) bytes += length
  return inFlight.size >= MAX_IN_FLIGHT || bytes >= MAX_IN_FLIGHT_BYTES
}

/** Whether the message is still in the outbox. */
function isWaiting(state: MessageState): boolean {
  return state === 'queued' || state === 'sent-direct' || state === 'at-server'
}

function isNews(before: MessageState, told: Receipt['state']): boolean {
  return isWaiting(before) || (before === 'delivered' && told === 'read')
}
