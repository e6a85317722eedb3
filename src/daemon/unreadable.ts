/** Sealed messages that could not be opened: each is told once, and asked for once more. */
import { z } from 'zod'
import type { Person } from '../protocol/control/schema.ts'
import type { MessageId } from '../protocol/peer/peer-message.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Archive } from './archive.ts'
import { deleteRecord, everyKeyUnder, putRecord, sortable } from './records.ts'

/** Of one buddy. Beyond it they are only counted: a buddy who sends rubbish fills no disk. */
const MOST_OF_BUDDY = 64

const record = z.object({ atMs: z.number() })

export class Unreadable {
  readonly #archive: Archive

  constructor(archive: Archive) {
    this.#archive = archive
  }

  /** `false` when it is known already, or too many are. */
  async note(buddy: AccountNumber, id: MessageId, from: Person): Promise<boolean> {
    const { store, journal, clock, dropped } = this.#archive
    const key = this.#key(buddy, id)
    if ((await store.get(key)) !== undefined) return false
    if ((await this.#count(buddy)) >= MOST_OF_BUDDY) {
      dropped.count('mail-unreadable')
      return false
    }
    await journal.commit(
      [putRecord(record, key, { atMs: clock.wallNow() })],
      [{ type: 'message.undecryptable', data: { id, from } }],
    )
    return true
  }

  /** It has come after all. */
  async forget(buddy: AccountNumber, id: MessageId): Promise<void> {
    const key = this.#key(buddy, id)
    if ((await this.#archive.store.get(key)) === undefined) return
    await this.#archive.journal.commit([deleteRecord(key)])
  }

  async #count(buddy: AccountNumber): Promise<number> {
    let count = 0
    const range = { ...everyKeyUnder(this.#key(buddy, '')), limit: MOST_OF_BUDDY }
    for await (const [key] of this.#archive.store.range(range)) count += key === '' ? 0 : 1
    return count
  }

  #key(buddy: AccountNumber, id: string): string {
    return `${this.#archive.slot}/unreadable/${sortable(buddy)}/${id}`
  }
}
