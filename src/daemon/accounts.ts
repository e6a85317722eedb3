import { z } from 'zod'
import { toHex } from '../core/bytes.ts'
import type { Store } from '../core/store.ts'
import type { ServerLinkAddress } from '../protocol/server/link.ts'
import { bytesField, everyKeyUnder, putRecord, readRecord, deleteRecord } from './records.ts'

const CURRENT = 'account/current'
const PREFIX = 'account/slot-'

const secret = z.object({
  salt: bytesField,
  hashing: z.object({ memoryKiB: z.number(), passes: z.number(), lanes: z.number() }),
  saltedPassword: bytesField,
})

const record = z.object({
  slot: z.string(),
  serverLink: z.string(),
  /** Which server it is, whatever its link looks like today. */
  serverIdentity: z.string(),
  number: z.number().int(),
  handle: z.string(),
  /** Logs in as long as the server keeps salt and parameters; the password itself is kept nowhere. */
  secret: z.exactOptional(secret),
  /** What the last session can be resumed with, if this daemon is back within a minute. */
  pass: z.exactOptional(z.object({ ticket: bytesField, key: bytesField })),
  presence: z.object({
    state: z.enum(['online', 'away', 'busy', 'invisible']),
    text: z.string(),
    /** Wall clock, ms since 1970 UTC; then it is `online` again. */
    untilMs: z.exactOptional(z.number()),
  }),
})

const current = z.object({ slot: z.string() })

export type Account = z.output<typeof record>
export type OwnPresence = Account['presence']

/** The accounts this device has logged in with; at most one of them is current. */
export class Accounts {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async current(): Promise<Account | undefined> {
    const bytes = await this.#store.get(CURRENT)
    if (bytes === undefined) return undefined
    return await this.#read(PREFIX + readRecord(current, CURRENT, bytes).slot)
  }

  /** Keeps an account and makes it the current one; what was stored for it before is there again. */
  async login(account: Omit<Account, 'slot' | 'presence'>): Promise<Account> {
    const slots = await this.#all()
    const known = slots.find(
      ({ serverIdentity, number }) =>
        serverIdentity === account.serverIdentity && number === account.number,
    )
    const kept: Account = {
      presence: known?.presence ?? { state: 'online', text: '' },
      ...account,
      slot: known?.slot ?? String(slots.length + 1).padStart(4, '0'),
    }
    await this.#store.write([
      putRecord(record, PREFIX + kept.slot, kept),
      putRecord(current, CURRENT, { slot: kept.slot }),
    ])
    return kept
  }

  /** Forgets how to log in. History and buddies stay for the next time. */
  async logout(account: Account): Promise<void> {
    const { slot, serverLink, serverIdentity, number, handle, presence } = account
    const kept = { slot, serverLink, serverIdentity, number, handle, presence }
    await this.#store.write([putRecord(record, PREFIX + slot, kept), deleteRecord(CURRENT)])
  }

  async update(account: Account): Promise<void> {
    await this.#store.write([putRecord(record, PREFIX + account.slot, account)])
  }

  async #all(): Promise<Account[]> {
    const all: Account[] = []
    for await (const [key, bytes] of this.#store.range(everyKeyUnder(PREFIX))) {
      all.push(readRecord(record, key, bytes))
    }
    return all
  }

  async #read(key: string): Promise<Account | undefined> {
    const bytes = await this.#store.get(key)
    return bytes === undefined ? undefined : readRecord(record, key, bytes)
  }
}

/** A pinned server is its key; one that the system's authorities vouch for is its name. */
export function serverIdentityOf({ host, port, pin }: ServerLinkAddress): string {
  return pin === undefined ? `name:${host.toLowerCase()}:${port}` : `pin:${toHex(pin)}`
}
