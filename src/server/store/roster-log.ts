/**
 * Which entries of a buddy list have changed since when, so that a daemon which comes back is told these alone.
 *
 * | key | holds |
 * |---|---|
 * | `roster-head/OWNER` | the list's present version |
 * | `roster-log/OWNER/N` | whose entry the Nth change was about, for the last ROSTER_LOG_KEPT changes |
 *
 * A version is a count and a tag, which is a hash over all changes up to it. So a list that went other ways since (a
 * store that was put back from a backup) is never taken for the same one because it has as many changes.
 */
import { z } from 'zod'
import { toHex, utf8 } from '../../core/bytes.ts'
import type { StoreChange } from '../../core/store.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { AccountNumber, RosterVersion } from '../../protocol/server/messages.ts'
import { lastNumberOf, numbersUnder, sortable } from './keys.ts'
import { putRecord } from './record.ts'
import type { Records } from './records.ts'

/** Who has missed more changes than so many gets the whole list: it is hardly longer. */
export const ROSTER_LOG_KEPT = 256

/** 64 bits: no two histories meet by chance. */
const TAG_CHARS = 16

const headRecord = z.object({ count: z.number(), tag: z.string() })
const logRecord = z.object({ number: z.number(), tag: z.string() })

type Head = z.output<typeof headRecord>

const NOTHING_YET: Head = { count: 0, tag: '0' }

export class RosterLog {
  readonly #records: Records

  constructor(records: Records) {
    this.#records = records
  }

  /** To be written together with a change of one entry, and the version that the list has then. */
  async changed(
    owner: AccountNumber,
    entry: AccountNumber,
    what: string,
  ): Promise<{ readonly version: RosterVersion; readonly changes: readonly StoreChange[] }> {
    const head = await this.#head(owner)
    const count = head.count + 1
    const tag = toHex(sha256(utf8(`${head.tag} ${count} ${entry} ${what}`))).slice(0, TAG_CHARS)
    const changes = [
      putRecord(headRecord, headKey(owner), { count, tag }),
      putRecord(logRecord, logKey(owner, count), { number: entry, tag }),
      { kind: 'delete', key: logKey(owner, count - ROSTER_LOG_KEPT) } as const,
    ]
    return { version: versionOf({ count, tag }), changes }
  }

  async version(owner: AccountNumber): Promise<RosterVersion> {
    return versionOf(await this.#head(owner))
  }

  /** Whose entries have changed since then, the latest change last; `undefined` where that is not known (any more). */
  async since(
    owner: AccountNumber,
    version: RosterVersion,
  ): Promise<readonly AccountNumber[] | undefined> {
    const head = await this.#head(owner)
    if (version === versionOf(head)) return []
    const count = Number(version.split('-', 1)[0])
    if (!Number.isSafeInteger(count) || count < 0 || count >= head.count) return undefined
    // The change that made the version we are asked about is read too: its tag tells whether it is the same one.
    const [known, ...later] = await this.#entries(owner, count)
    if (known === undefined || versionOf(known) !== version) return undefined
    // The latest change decides the order.
    const numbers = later.map(({ number }) => number)
    return numbers.filter((number, index) => numbers.lastIndexOf(number) === index)
  }

  /** From the change with that count on; before the first there was nothing. */
  async #entries(
    owner: AccountNumber,
    from: number,
  ): Promise<readonly (z.output<typeof logRecord> & { readonly count: number })[]> {
    const entries = from === 0 ? [{ ...NOTHING_YET, number: 0 }] : [] // ≤ ROSTER_LOG_KEPT
    const range = numbersUnder(logPrefix(owner), from - 1)
    for await (const { key, value } of this.#records.range(logRecord, range)) {
      entries.push({ count: lastNumberOf(key), ...value })
    }
    return entries[0]?.count === from ? entries : []
  }

  async #head(owner: AccountNumber): Promise<Head> {
    return (await this.#records.read(headRecord, headKey(owner))) ?? NOTHING_YET
  }
}

/** The keys of a list's versions. */
export async function listKeys(records: Records, owner: AccountNumber): Promise<readonly string[]> {
  return [headKey(owner), ...(await records.keys(numbersUnder(logPrefix(owner))))]
}

function versionOf({ count, tag }: Head): RosterVersion {
  return `${count}-${tag}`
}

function headKey(owner: AccountNumber): string {
  return `roster-head/${sortable(owner)}`
}

function logPrefix(owner: AccountNumber): string {
  return `roster-log/${sortable(owner)}/`
}

function logKey(owner: AccountNumber, count: number): string {
  return logPrefix(owner) + sortable(Math.max(0, count))
}
