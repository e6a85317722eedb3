/**
 * The mirror of the server's buddy list: known also without a server, so that messages can be queued at any time.
 * What only we know of a buddy (path policy) is kept with it.
 */
import { z } from 'zod'
import { equalBytes } from '../core/bytes.ts'
import { HollerError } from '../core/holler-error.ts'
import type { Store } from '../core/store.ts'
import type { PathPolicy, Person } from '../protocol/control/schema.ts'
import type {
  AccountNumber,
  DeviceKeys,
  RosterEntry,
  RosterVersion,
} from '../protocol/server/messages.ts'
import type { DurableEvent } from './events.ts'
import type { Journal } from './journal.ts'
import {
  bytesField,
  deleteRecord,
  everyKeyUnder,
  putRecord,
  readRecord,
  sortable,
} from './records.ts'

/** Far beyond what the server allows an account; a server that sends more is not believed. */
export const MAX_BUDDIES = 10_000

const record = z.object({
  number: z.number().int(),
  handle: z.string(),
  state: z.enum(['accepted', 'pending-out', 'pending-in', 'blocked']),
  device: z.exactOptional(
    z.object({ identity: bytesField, static: bytesField, staticSignature: bytesField }),
  ),
  /** What a requester wrote. */
  note: z.string(),
  pathPolicy: z.enum(['auto', 'lan', 'relay']),
  /** What we have said of them, as the server keeps it. */
  group: z.exactOptional(z.string()),
  remark: z.exactOptional(z.string()),
  isConcealed: z.exactOptional(z.literal(true)),
})

const versionRecord = z.object({ version: z.string() })

export type Buddy = z.output<typeof record>

export function personOf({ number, handle }: Buddy): Person {
  return { number, handle }
}

export class Roster {
  readonly #journal: Journal
  readonly #prefix: string
  readonly #buddies: Map<AccountNumber, Buddy> // ≤ MAX_BUDDIES
  readonly #versionKey: string
  #version: RosterVersion | undefined
  #hasMissed = false

  static async open(store: Store, journal: Journal, slot: string): Promise<Roster> {
    const prefix = `${slot}/roster/`
    const buddies = new Map<AccountNumber, Buddy>()
    for await (const [key, bytes] of store.range(everyKeyUnder(prefix))) {
      const buddy = readRecord(record, key, bytes)
      buddies.set(buddy.number, buddy)
    }
    const versionKey = `${slot}/roster-version`
    const bytes = await store.get(versionKey)
    const version = bytes && readRecord(versionRecord, versionKey, bytes).version
    return new Roster(journal, { prefix, versionKey, buddies, version })
  }

  private constructor(
    journal: Journal,
    kept: {
      readonly prefix: string
      readonly versionKey: string
      readonly buddies: Map<AccountNumber, Buddy>
      readonly version: RosterVersion | undefined
    },
  ) {
    this.#journal = journal
    this.#prefix = kept.prefix
    this.#versionKey = kept.versionKey
    this.#buddies = kept.buddies
    this.#version = kept.version
  }

  /** The server's version of which everything is here; `undefined` before the first whole list. */
  get version(): RosterVersion | undefined {
    return this.#version
  }

  /** Something that the server said of the list was lost on our way to the disk: from here on no version is whole. */
  missed(): void {
    this.#hasMissed = true
  }

  /** A login begins: the server tells what has changed since `version`. */
  catchUp(): void {
    this.#hasMissed = false
  }

  all(): readonly Buddy[] {
    return [...this.#buddies.values()].sort((a, b) => a.number - b.number)
  }

  get(number: AccountNumber): Buddy | undefined {
    return this.#buddies.get(number)
  }

  /** By number, by digits, or by handle; handles compare without case. */
  find(name: string | number): Buddy | undefined {
    const text = String(name)
    if (/^\d+$/.test(text)) return this.#buddies.get(Number(text))
    const wanted = text.toLowerCase()
    return this.all().find(({ handle }) => handle.toLowerCase() === wanted)
  }

  /** @throws HollerError `BUDDY_UNKNOWN` when there is nobody of that name on the list. */
  require(name: string | number): Buddy {
    const buddy = this.find(name)
    if (buddy === undefined) throw new HollerError('BUDDY_UNKNOWN', `No buddy "${name}"`)
    return buddy
  }

  /** Who is on our list and not on the server's. */
  missingFrom(entries: readonly RosterEntry[]): readonly Buddy[] {
    const numbers = new Set(entries.map(({ number }) => number))
    return this.all().filter(({ number }) => !numbers.has(number))
  }

  /** Takes over what the server's list says of these; who is not on it stays until `remove`. */
  async update(entries: readonly RosterEntry[], version?: RosterVersion): Promise<void> {
    await this.#apply(
      entries.slice(0, MAX_BUDDIES).map((entry) => {
        return this.#buddyOf(entry, this.get(entry.number)?.note ?? '')
      }),
      [],
      version,
    )
  }

  async change(entry: RosterEntry, note: string, version?: RosterVersion): Promise<void> {
    if (this.#buddies.size >= MAX_BUDDIES && !this.#buddies.has(entry.number)) return
    await this.#apply([this.#buddyOf(entry, note)], [], version)
  }

  async remove(number: AccountNumber, version?: RosterVersion): Promise<Buddy | undefined> {
    const buddy = this.#buddies.get(number)
    await this.#apply([], buddy === undefined ? [] : [buddy], version)
    return buddy
  }

  async setPolicy(buddy: Buddy, pathPolicy: PathPolicy): Promise<void> {
    await this.#apply([{ ...buddy, pathPolicy }], [])
  }

  #buddyOf(entry: RosterEntry, note: string): Buddy {
    const pathPolicy = this.#buddies.get(entry.number)?.pathPolicy ?? 'auto'
    return { ...entry, note, pathPolicy }
  }

  async #apply(
    buddies: readonly Buddy[],
    removed: readonly Buddy[],
    told?: RosterVersion,
  ): Promise<void> {
    const changed = buddies.filter((buddy) => !isSame(buddy, this.#buddies.get(buddy.number)))
    const version = this.#hasMissed || told === this.#version ? undefined : told
    if (changed.length + removed.length === 0 && version === undefined) return
    await this.#journal.commit(
      [
        ...(version === undefined ? [] : [putRecord(versionRecord, this.#versionKey, { version })]),
        ...changed.map((buddy) => putRecord(record, this.#keyOf(buddy), buddy)),
        ...removed.map((buddy) => deleteRecord(this.#keyOf(buddy))),
      ],
      [
        ...changed.flatMap((buddy) => eventsOf(buddy, this.#buddies.get(buddy.number))),
        ...removed.map(
          (buddy) => ({ type: 'buddy.removed', data: { buddy: personOf(buddy) } }) as const,
        ),
      ],
    )
    for (const buddy of changed) this.#buddies.set(buddy.number, buddy)
    for (const buddy of removed) this.#buddies.delete(buddy.number)
    if (version !== undefined) this.#version = version
  }

  #keyOf({ number }: Buddy): string {
    return this.#prefix + sortable(number)
  }
}

function eventsOf(buddy: Buddy, before: Buddy | undefined): readonly DurableEvent[] {
  const isNews =
    buddy.state !== before?.state ||
    buddy.handle !== before.handle ||
    buddy.group !== before.group ||
    buddy.remark !== before.remark
  if (!isNews) return []
  return buddy.state === 'pending-in'
    ? [{ type: 'buddy.request', data: { from: personOf(buddy), note: buddy.note } }]
    : [{ type: 'buddy.changed', data: { buddy: personOf(buddy), state: buddy.state } }]
}

function isSame(a: Buddy, b: Buddy | undefined): boolean {
  return (
    a.handle === b?.handle &&
    a.state === b.state &&
    a.note === b.note &&
    a.pathPolicy === b.pathPolicy &&
    a.group === b.group &&
    a.remark === b.remark &&
    a.isConcealed === b.isConcealed &&
    isSameDevice(a.device, b.device)
  )
}

export function isSameDevice(a: DeviceKeys | undefined, b: DeviceKeys | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return equalBytes(a.identity, b.identity) && equalBytes(a.static, b.static)
}
