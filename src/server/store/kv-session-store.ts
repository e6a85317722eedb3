/**
 * Sessions over an ordered key-value store.
 *
 * | key | holds |
 * |---|---|
 * | `session/NUMBER` | the account's session, with its epoch, until it ends |
 * | `epoch/NUMBER` | the epoch of the last one, once it has ended |
 *
 * Steps of one account come in the order they were asked for, those of others beside them: the store below writes in one
 * group what comes together, so a crowd that comes back costs the disk little.
 */
import { z } from 'zod'
import type { Store, StoreChange } from '../../core/store.ts'
import type { AccountNumber } from '../../protocol/server/messages.ts'
import type { ChosenPresence } from '../presence.ts'
import { numbersUnder, sortable } from './keys.ts'
import { bytesField, putRecord, readRecord, storeFailure } from './record.ts'
import { Records } from './records.ts'
import type { Epoch, SessionStore, StandingSession } from './session-store.ts'

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

/** Gives back the very object that it got where nothing changes. */
type Take = (before: Standing) => Standing

interface Step {
  readonly before: Standing
  readonly after: Standing
}

export class KvSessionStore implements SessionStore {
  readonly #store: Store
  readonly #records: Records
  /** The last step of each account with one under way: as many as callers wait for, and sessions bound theirs. */
  readonly #last = new Map<AccountNumber, Promise<unknown>>()

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
    await Promise.all(this.#last.values())
  }

  async #step(number: AccountNumber, take: Take): Promise<Step> {
    const before = this.#last.get(number) ?? Promise.resolve()
    const step = before.then(() => this.#take(number, take))
    const ended = step
      .catch(() => undefined) // whoever asked for the step hears of its failure
      .then(() => {
        if (this.#last.get(number) === ended) this.#last.delete(number)
      })
    this.#last.set(number, ended)
    return await step
  }

  async #take(number: AccountNumber, take: Take): Promise<Step> {
    const before = await this.#read(number)
    const after = take(before)
    if (after !== before) await this.#records.write(changesFor(number, after))
    return { before, after }
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
