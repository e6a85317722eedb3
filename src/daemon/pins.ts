/**
 * The identities of buddies, pinned at first contact (trust on first use). From then on a live session counts only
 * when its keys are signed by the pinned identity; any other one is told as `identity.changed`, its messages are
 * flagged, and nothing is sent to it.
 */
import { z } from 'zod'
import { equalBytes } from '../core/bytes.ts'
import { HollerError } from '../core/holler-error.ts'
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
  /** When the user said that it is theirs: wall clock, ms since 1970 UTC. */
  verifiedAtMs: z.exactOptional(z.number()),
  /** Another identity that calls itself this buddy, and is waiting to be believed. */
  other: z.exactOptional(z.object({ identity: bytesField, static: bytesField })),
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
    return this.#pins.get(number)?.other !== undefined
  }

  /** Judges what a live session has proved: pins it at first contact, otherwise compares. Resolves whether it is trusted. */
  async judge(buddy: Buddy, shown: ShownKeys): Promise<boolean> {
    const pin = this.#pins.get(buddy.number)
    if (pin === undefined || equalBytes(pin.identity, shown.identity)) {
      await this.#trust(buddy, pin, shown)
      return true
    }
    await this.#distrust(buddy, pin, shown)
    return false
  }

  /**
   * The user believes the other identity: from now on it is the pinned one, and the one before is another. Of several
   * that came, it is the one that came last.
   *
   * @throws HollerError `IDENTITY_UNCHANGED` when no other has come.
   */
  async accept(buddy: Buddy): Promise<void> {
    const other = this.#pins.get(buddy.number)?.other
    if (other === undefined) {
      throw new HollerError(
        'IDENTITY_UNCHANGED',
        `No other identity of ${buddy.handle} (${buddy.number}) waits to be accepted`,
      )
    }
    await this.#keep(buddy, other)
  }

  /**
   * The user has compared this identity with the buddy by another way. It is so until the buddy gets another one.
   *
   * @throws HollerError `IDENTITY_UNKNOWN` when the pinned one is another by now.
   */
  async verify(buddy: Buddy, identity: Uint8Array, nowMs: number): Promise<void> {
    const pin = this.#pins.get(buddy.number)
    if (pin === undefined || !equalBytes(pin.identity, identity)) throw unknownIdentity(buddy)
    await this.#keep(buddy, { ...pin, verifiedAtMs: nowMs })
  }

  /** Forgets a buddy's identity, when the user removes the buddy: adding them again is a first contact. */
  async forget(number: AccountNumber): Promise<void> {
    if (!this.#pins.has(number)) return
    await this.#journal.commit([deleteRecord(this.#keyOf(number))])
    this.#pins.delete(number)
  }

  async #trust(buddy: Buddy, before: Pin | undefined, shown: ShownKeys): Promise<void> {
    const isKnown =
      before !== undefined && before.other === undefined && equalBytes(before.static, shown.static)
    if (isKnown) return
    const verified = before?.verifiedAtMs
    await this.#keep(buddy, {
      identity: shown.identity,
      static: shown.static,
      ...(verified === undefined ? {} : { verifiedAtMs: verified }),
    })
  }

  async #distrust(buddy: Buddy, pin: Pin, shown: ShownKeys): Promise<void> {
    if (pin.other !== undefined && equalBytes(pin.other.identity, shown.identity)) return
    const other = { identity: shown.identity, static: shown.static }
    await this.#keep(buddy, { ...pin, other }, true)
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

export function unknownIdentity({ handle, number }: Buddy): HollerError {
  const when = 'it is learnt when you are first connected'
  return new HollerError(
    'IDENTITY_UNKNOWN',
    `The identity of ${handle} (${number}) is not known: ${when}`,
  )
}
