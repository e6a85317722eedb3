/**
 * Every message of an account, by id and in the order of each conversation. A message is written once and then only
 * its state changes; nothing is ever deleted here.
 */
import { z } from 'zod'
import type { Store, StoreChange } from '../core/store.ts'
import type { MessageState } from '../protocol/control/schema.ts'
import type { MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import { everyKeyUnder, putRecord, readRecord, sortable } from './records.ts'

const idField = z.custom<MessageId>((value) => typeof value === 'string')

const states = [
  'queued',
  'sent-direct',
  'at-server',
  'delivered',
  'read',
  'failed',
  'expired',
  'cancelled',
] as const satisfies readonly MessageState[]

const message = z.object({
  id: idField,
  direction: z.enum(['in', 'out']),
  buddy: z.number().int(),
  text: z.string(),
  state: z.enum(states),
  /** When it came into this store, by this machine's clock. */
  atMs: z.number(),
  /** The sender's clock; the same as `atMs` for our own. */
  sentAtMs: z.number(),
  /** The place in the conversation, as this daemon saw it: rising, without gaps. */
  order: z.number().int(),
  /** The sender's count of its messages in this conversation. */
  sequence: z.number().int(),
  replyTo: z.exactOptional(idField),
  clientId: z.exactOptional(z.string()),
  /** Why it failed. */
  reason: z.exactOptional(z.string()),
  /** It came from keys that were not the pinned ones. */
  isIdentityChanged: z.exactOptional(z.literal(true)),
})

const reference = z.object({ id: idField })

const counters = z.object({
  /** Our messages so far. */
  sent: z.number().int(),
  /** The highest sequence number that has come from the buddy. */
  received: z.number().int(),
  /** Places taken in the conversation. */
  order: z.number().int(),
})

export type StoredMessage = z.output<typeof message>
export type Counters = z.output<typeof counters>

export class History {
  readonly #store: Store
  readonly #slot: string

  constructor(store: Store, slot: string) {
    this.#store = store
    this.#slot = slot
  }

  async get(id: string): Promise<StoredMessage | undefined> {
    const key = this.#messageKey(id)
    const bytes = await this.#store.get(key)
    return bytes === undefined ? undefined : readRecord(message, key, bytes)
  }

  /** A conversation, newest first. */
  async *newestFirst(buddy: AccountNumber, limit: number): AsyncIterable<StoredMessage> {
    const range = { ...everyKeyUnder(this.#conversationPrefix(buddy)), reverse: true, limit }
    for await (const [key, bytes] of this.#store.range(range)) {
      const found = await this.get(readRecord(reference, key, bytes).id)
      if (found !== undefined) yield found
    }
  }

  async counters(buddy: AccountNumber): Promise<Counters> {
    const key = this.#countersKey(buddy)
    const bytes = await this.#store.get(key)
    return bytes === undefined
      ? { sent: 0, received: 0, order: 0 }
      : readRecord(counters, key, bytes)
  }

  async byClientId(clientId: string): Promise<StoredMessage | undefined> {
    const key = this.#clientKey(clientId)
    const bytes = await this.#store.get(key)
    return bytes === undefined ? undefined : await this.get(readRecord(reference, key, bytes).id)
  }

  /** What must be written for a new message, together with the counters after it. */
  added(stored: StoredMessage): readonly StoreChange[] {
    const place = this.#conversationPrefix(stored.buddy) + sortable(stored.order)
    return [
      this.changed(stored),
      putRecord(reference, place, { id: stored.id }),
      ...(stored.clientId === undefined
        ? []
        : [putRecord(reference, this.#clientKey(stored.clientId), { id: stored.id })]),
    ]
  }

  changed(stored: StoredMessage): StoreChange {
    return putRecord(message, this.#messageKey(stored.id), stored)
  }

  counted(buddy: AccountNumber, now: Counters): StoreChange {
    return putRecord(counters, this.#countersKey(buddy), now)
  }

  #messageKey(id: string): string {
    return `${this.#slot}/message/${id}`
  }

  #conversationPrefix(buddy: AccountNumber): string {
    return `${this.#slot}/conversation/${sortable(buddy)}/`
  }

  #countersKey(buddy: AccountNumber): string {
    return `${this.#slot}/sequence/${sortable(buddy)}`
  }

  #clientKey(clientId: string): string {
    return `${this.#slot}/client/${clientId}`
  }
}
