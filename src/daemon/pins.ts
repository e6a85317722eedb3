/**
 * The identities of buddies, pinned at first contact (trust on first use). From then on a live session counts only
 * when its keys are signed by the pinned identity; any other one is told as `identity.changed`, its messages are
 * flagged, and nothing is sent to it.
 */
import { z } from 'zod'
import { equalBytes } from '../core/bytes.ts'
import type { Store } from '../core/store.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Journal } from './journal.ts'
import {
  bytesField,
  deleteRecord,
  everyKeyUnder,
  lastNumberOf,
  putRecord,
  readRecord,
  sortable,
} from './records.ts'
import { type Buddy, personOf } from './roster.ts'

const record = z.object({
  identity: bytesField,
  static: bytesField,
  /** Another identity that calls itself this buddy, and is waiting to be believed. */
  offered: z.exactOptional(bytesField),
})

export type Pin = z.output<typeof record>

/** What a peer has proved about itself in its handshake. */
export interface ShownKeys {
  readonly identity: Uint8Array
  readonly static: Uint8Array
}

export class Pins {
  readonly #journal: Journal
  readonly #prefix: string
  readonly #pins: Map<AccountNumber, Pin> // one per buddy ever met

  static async open(store: Store, journal: Journal, slot: string): Promise<Pins> {
    const prefix = `${slot}/pin/`
    const pins = new Map<AccountNumber, Pin>()
    for await (const [key, bytes] of store.range(everyKeyUnder(prefix))) {
      pins.set(lastNumberOf(key), readRecord(record, key, bytes))
    }
    return new Pins(journal, prefix, pins)
  }

  private constructor(journal: Journal, prefix: string, pins: Map<AccountNumber, Pin>) {
    this.#journal = journal
    this.#prefix = prefix
    this.#pins = pins
  }

  get(number: AccountNumber): Pin | undefined {
    return this.#pins.get(number)
  }

  /** Whether somebody with other keys has come in this buddy's name, and has not been believed. */
  isChanged(number: AccountNumber): boolean {
    return this.#pins.get(number)?.offered !== undefined
  }

  /** Judges what a live session has proved: pins it at first contact, otherwise compares. Resolves whether it is trusted. */
  async judge(buddy: Buddy, shown: ShownKeys): Promise<boolean> {
    const pin = this.#pins.get(buddy.number)
    if (pin === undefined || equalBytes(pin.identity, shown.identity)) {
      await this.#trust(buddy, pin, shown)
      return true
    }
    await this.#distrust(buddy, pin, shown.identity)
    return false
  }

  /** Forgets a buddy's identity, when the user removes the buddy: adding them again is a first contact. */
  async forget(number: AccountNumber): Promise<void> {
    if (!this.#pins.has(number)) return
    await this.#journal.commit([deleteRecord(this.#keyOf(number))])
    this.#pins.delete(number)
  }

  async #trust(buddy: Buddy, before: Pin | undefined, shown: ShownKeys): Promise<void> {
    const isKnown =
      before !== undefined &&
      before.offered === undefined &&
      equalBytes(before.static, shown.static)
    if (isKnown) return
    await this.#keep(buddy, { identity: shown.identity, static: shown.static })
  }

  async #distrust(buddy: Buddy, pin: Pin, offered: Uint8Array): Promise<void> {
    if (pin.offered !== undefined && equalBytes(pin.offered, offered)) return
    await this.#keep(buddy, { ...pin, offered }, true)
  }

  async #keep(buddy: Buddy, pin: Pin, isChanged = false): Promise<void> {
    await this.#journal.commit(
      [putRecord(record, this.#keyOf(buddy.number), pin)],
      isChanged ? [{ type: 'identity.changed', data: { buddy: personOf(buddy) } }] : [],
    )
    this.#pins.set(buddy.number, pin)
  }

  #keyOf(number: AccountNumber): string {
    return this.#prefix + sortable(number)
  }
}
