/**
 * Sessions over an ordered key-value store.
 *
 * | key | holds |
 * |---|---|
 * | `session/NUMBER` | the account's session, with its epoch, until it ends |
 * | `epoch/NUMBER` | the epoch of the last one, once it has ended |
 *
 * Everything that is asked for while a write is under way is one write: a crowd that comes back costs the disk little.
 * Steps of one account come in the order they were asked for.
 */
import { z } from 'zod'
import type { Store, StoreChange } from '../../core/store.ts'
import type { AccountNumber } from '../../protocol/server/messages.ts'
import type { ChosenPresence } from '../presence.ts'
import { numbersUnder, sortable } from './keys.ts'
import { bytesField, putRecord, readRecord, storeFailure } from './record.ts'
import { Records } from './records.ts'
import type { Epoch, SessionStore, StandingSession } from './session-store.ts'

/** A group of this many costs hardly more than a single write; a larger one would keep its first member waiting. */
const MAX_GROUP = 64

const sessionRecord = z.object({
  number: z.number(),
  epoch: z.number(),
  device: z.object({ identity: bytesField, static: bytesField, staticSignature: bytesField }),
  chosen: z.object({ state: z.enum(['online', 'away', 'busy', 'invisible']), text: z.string() }),
})
const epochRecord = z.object({ epoch: z.number() })

/** How an account stands: the last epoch that was given, and its session if that has not ended. */
interface Standing {
  readonly epoch: Epoch
  readonly session?: StandingSession
}

interface Step {
  readonly number: AccountNumber
  /** Gives back the very object that it got where nothing changes. */
  readonly take: (before: Standing) => Standing
  readonly done: (after: Standing, before: Standing) => void
  readonly failed: (error: unknown) => void
}

export class KvSessionStore implements SessionStore {
  readonly #store: Store
  readonly #records: Records
  #waiting: Step[] = [] // as many as callers wait for: sessions bound theirs
  #working: Promise<void> | undefined

  constructor(store: Store) {
    this.#store = store
    this.#records = new Records(store)
  }

  async begin(session: Omit<StandingSession, 'epoch'>): Promise<Epoch> {
    const { after } = await this.#step(session.number, ({ epoch }) => {
      return { epoch: epoch + 1, session: { ...session, epoch: epoch + 1 } }
    })
    return after.epoch
  }

  async standing(number: AccountNumber): Promise<StandingSession | undefined> {
    return (await this.#read(number)).session
  }

  async resume(number: AccountNumber, epoch: Epoch): Promise<StandingSession | undefined> {
    const { before, after } = await this.#step(number, (present) => {
      if (present.session?.epoch !== epoch) return present
      return { epoch: epoch + 1, session: { ...present.session, epoch: epoch + 1 } }
    })
    return after === before ? undefined : after.session
  }

  async choose(number: AccountNumber, epoch: Epoch, chosen: ChosenPresence): Promise<void> {
    await this.#step(number, (present) => {
      const { session } = present
      return session?.epoch === epoch ? { epoch, session: { ...session, chosen } } : present
    })
  }

  async end(number: AccountNumber, epoch: Epoch): Promise<void> {
    await this.#step(number, (present) => (present.session?.epoch === epoch ? { epoch } : present))
  }

  async all(): Promise<readonly StandingSession[]> {
    const sessions: StandingSession[] = [] // as many as there were sessions
    try {
      for await (const [key, value] of this.#store.range(numbersUnder('session/'))) {
        const session = readUndamaged(sessionRecord, key, value)
        if (session !== undefined) sessions.push(session)
      }
    } catch (error) {
      throw storeFailure(error)
    }
    return sessions
  }

  async idle(): Promise<void> {
    await this.#working
  }

  async #step(
    number: AccountNumber,
    take: Step['take'],
  ): Promise<{ readonly before: Standing; readonly after: Standing }> {
    return await new Promise((resolve, failed) => {
      const done: Step['done'] = (after, before) => resolve({ before, after })
      this.#waiting.push({ number, take, done, failed })
      this.#working ??= this.#workAll().finally(() => (this.#working = undefined))
    })
  }

  /** Never rejects: each step hears of its own failure. */
  async #workAll(): Promise<void> {
    await Promise.resolve() // what comes in the same turn of the event loop is one group
    while (this.#waiting.length > 0) {
      const group = this.#waiting.slice(0, MAX_GROUP)
      this.#waiting = this.#waiting.slice(MAX_GROUP)
      try {
        for (const tell of await this.#work(group)) tell()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
  }

  async #work(group: readonly Step[]): Promise<readonly (() => void)[]> {
    const numbers = [...new Set(group.map(({ number }) => number))]
    const read = await Promise.all(numbers.map((number) => this.#read(number)))
    const standings = new Map(numbers.map((number, index) => [number, read[index] ?? NEVER]))
    const changes: StoreChange[] = []
    const tells = group.map(({ number, take, done }) => {
      const before = standings.get(number) ?? NEVER
      const after = take(before)
      standings.set(number, after)
      if (after !== before) changes.push(...changesFor(number, after))
      return () => done(after, before)
    })
    if (changes.length > 0) await this.#records.write(changes)
    return tells
  }

  async #read(number: AccountNumber): Promise<Standing> {
    const key = sessionKey(number)
    const session = readUndamaged(sessionRecord, key, await this.#records.bytes(key))
    if (session !== undefined) return { epoch: session.epoch, session }
    const endedKey = epochKey(number)
    const ended = readUndamaged(epochRecord, endedKey, await this.#records.bytes(endedKey))
    return ended ?? NEVER
  }
}

const NEVER: Standing = { epoch: 0 }

function changesFor(number: AccountNumber, { epoch, session }: Standing): readonly StoreChange[] {
  if (session !== undefined) return [putRecord(sessionRecord, sessionKey(number), session)]
  return [
    { kind: 'delete', key: sessionKey(number) },
    putRecord(epochRecord, epochKey(number), { epoch }),
  ]
}

/** A damaged session is none: its client logs in anew, which is better than not at all. */
function readUndamaged<S extends z.ZodType>(
  schema: S,
  key: string,
  bytes: Uint8Array | undefined,
): z.output<S> | undefined {
  try {
    return bytes === undefined ? undefined : readRecord(schema, key, bytes)
  } catch {
    return undefined
  }
}

function sessionKey(number: AccountNumber): string {
  return `session/${sortable(number)}`
}

function epochKey(number: AccountNumber): string {
  return `epoch/${sortable(number)}`
}
