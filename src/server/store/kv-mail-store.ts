/**
 * Mail over an ordered key-value store.
 *
 * | key | holds |
 * |---|---|
 * | `mail-index/OWNER/SEQ` | who sent it and when, and how long it is |
 * | `mail/OWNER/SEQ` | the sealed body behind its checksum; written and deleted with the index |
 * | `mail-next` | numbers up to here have been handed out |
 * | `mail-age` | how long the server has run in all |
 *
 * The index of an owner whose mail is being touched is held in memory (`mail-box.ts`), so that quotas and repetitions
 * are judged without reading; it changes only with the disk, but for what is on its way there.
 */
import { z } from 'zod'
import { toHex } from '../../core/bytes.ts'
import type { Store, StoreChange, StoreRange } from '../../core/store.ts'
import type { AccountNumber, MailSeq } from '../../protocol/server/messages.ts'
import { lastNumberOf, numbersUnder, sortable } from './keys.ts'
import { type BoxEntry, MailBox } from './mail-box.ts'
import { MailCount } from './mail-count.ts'
import {
  type Mail,
  type MailLimits,
  type MailOutcome,
  type MailQuota,
  type MailStore,
  type NewMail,
} from './mail-store.ts'
import { isIntact, putBytes, putRecord, readBytes } from './record.ts'
import { type OnDamage, Records } from './records.ts'
import { ageRecord, indexRecord, nextRecord } from './mail-records.ts'

/** Messages whose index entries are kept in memory; some 40 MB. Beyond it, whole owners are forgotten, oldest use first. */
const MOST_ENTRIES = 200_000

/** How many old messages are deleted in one write. */
const FORGET_AT_ONCE = 256

const EVERYBODY: StoreRange = { from: 'mail-index/', before: 'mail-index/:' }

type Index = z.output<typeof indexRecord>

export class KvMailStore implements MailStore {
  readonly #records: Records
  readonly #limits: MailLimits
  readonly #boxes = new Map<AccountNumber, Promise<MailBox>>() // BOUNDED: MOST_ENTRIES, oldest use dropped
  readonly #loaded = new Map<AccountNumber, MailBox>() // those of #boxes whose loading has ended
  readonly #tails = new Map<AccountNumber, Promise<unknown>>() // BOUNDED: owners whose mail is being changed
  readonly #count = new MailCount()
  #ageMs: number | undefined

  constructor(store: Store, limits: MailLimits, onDamage?: OnDamage) {
    this.#records = new Records(store, onDamage)
    this.#limits = limits
  }

  get total(): MailQuota | undefined {
    return this.#count.total
  }

  /** To be waited for before anything changes. @throws HollerError `STORE_UNUSABLE` */
  async open(): Promise<void> {
    await this.#count.begin(this.#everyIndex())
  }

  reserve(count: number): Promise<MailSeq> {
    return this.#records.inOrder(async () => {
      const first = (await this.#records.read(nextRecord, 'mail-next'))?.next ?? 1
      await this.#records.write([putRecord(nextRecord, 'mail-next', { next: first + count })])
      return first
    })
  }

  append(mail: NewMail): Promise<MailOutcome> {
    return this.#tracked(mail.owner, this.#append(mail))
  }

  async settled(owner: AccountNumber): Promise<void> {
    await this.#tails.get(owner)
  }

  async read(owner: AccountNumber, after: MailSeq, most: MailQuota): Promise<readonly Mail[]> {
    const mails: Mail[] = [] // ≤ most
    let bytes = 0
    for await (const { seq, index } of this.#indexes(owner, after)) {
      bytes += index.bytes
      if (mails.length > 0 && bytes > most.bytes) break
      const body = await this.#body(owner, seq)
      if (body === undefined) continue
      const messageId = Uint8Array.from(Buffer.from(index.message, 'hex'))
      mails.push({ seq, from: index.from, messageId, body })
      if (mails.length >= most.messages) break
    }
    return mails
  }

  async remove(owner: AccountNumber, seqs: readonly MailSeq[]): Promise<void> {
    await this.#tracked(owner, this.#removeSeqs(owner, seqs))
  }

  async withdraw(
    { owner, from, device }: Pick<NewMail, 'owner' | 'from' | 'device'>,
    messageIds: readonly Uint8Array[],
  ): Promise<readonly MailSeq[]> {
    const chosen = (box: MailBox): readonly BoxEntry[] =>
      messageIds.flatMap((messageId) => {
        const message = toHex(messageId)
        return box.find({ from, device: toHex(device), message }) ?? []
      })
    return await this.#tracked(owner, this.#remove(owner, chosen))
  }

  async clear(owner: AccountNumber): Promise<void> {
    await this.settled(owner)
    await this.#tracked(
      owner,
      this.#remove(owner, (box) => box.entries()),
    )
  }

  /** Forgets what waits of each for the other, in one write with what the caller adds to it. */
  async forgetBetween(
    a: AccountNumber,
    b: AccountNumber,
    write: (changes: readonly StoreChange[]) => Promise<void>,
  ): Promise<void> {
    const forget = async (): Promise<void> => {
      const ofB = await this.#hidden(a, (box) => box.entries().filter(({ from }) => from === b))
      const ofA = await this.#hidden(b, (box) => box.entries().filter(({ from }) => from === a))
      await write([...deletions(a, seqsOf(ofB.entries)), ...deletions(b, seqsOf(ofA.entries))])
      for (const { box, entries } of [ofB, ofA]) for (const entry of entries) box.delete(entry)
    }
    await this.#tracked(a, this.#tracked(b, forget()))
  }

  /** Forgets everything of an owner, in one write with what the caller adds to it. */
  async forgetAll(
    owner: AccountNumber,
    write: (changes: readonly StoreChange[]) => Promise<void>,
  ): Promise<void> {
    const forget = async (): Promise<void> => {
      const { box, entries } = await this.#hidden(owner, (all) => all.entries())
      await write(deletions(owner, seqsOf(entries)))
      for (const entry of entries) box.delete(entry)
    }
    await this.#tracked(owner, forget())
  }

  async waiting(owner: AccountNumber): Promise<MailQuota> {
    return (await this.#box(owner)).total
  }

  async age(ms: number, lifeMs: number): Promise<number> {
    const ageMs = (await this.#age()) + ms
    await this.#records.write([putRecord(ageRecord, 'mail-age', { ms: ageMs })])
    this.#ageMs = ageMs
    let count = 0
    for (let old = await this.#older(ageMs - lifeMs); old.length > 0;) {
      for (const { owner, seq } of old) await this.remove(owner, [seq])
      count += old.length
      old = await this.#older(ageMs - lifeMs)
    }
    return count
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await Promise.all([this.#records.idle(), ...this.#tails.values()])
  }

  async #append(mail: NewMail): Promise<MailOutcome> {
    const { owner, seq, from, body } = mail
    const box = await this.#box(owner)
    const index: Index = {
      from,
      device: toHex(mail.device),
      message: toHex(mail.messageId),
      bytes: body.length,
      ageMs: this.#ageMs ?? 0,
    }
    const known = box.find(index)
    if (known !== undefined) {
      await known.stored
      return { kind: 'stored', seq: known.seq }
    }
    const whose = box.whoIsFull(from, body.length, this.#limits)
    if (whose !== undefined) return { kind: 'full', whose }
    const stored = this.#records.write(mailChanges(owner, seq, index, body))
    const entry = { ...index, seq, stored }
    box.add(entry)
    try {
      await stored
    } catch (error) {
      box.delete(entry)
      throw error
    }
    this.#forgetBoxes(owner)
    return { kind: 'stored', seq }
  }

  /** Also what the box does not know: a write that was said to have failed may have reached the disk all the same. */
  async #removeSeqs(owner: AccountNumber, seqs: readonly MailSeq[]): Promise<void> {
    const { box, entries } = await this.#hidden(owner, (all) =>
      seqs.flatMap((seq) => all.get(seq) ?? []),
    )
    await this.#records.write(deletions(owner, seqs))
    for (const entry of entries) box.delete(entry)
  }

  async #remove(
    owner: AccountNumber,
    chosen: (box: MailBox) => readonly BoxEntry[],
  ): Promise<readonly MailSeq[]> {
    const { box, entries } = await this.#hidden(owner, chosen)
    if (entries.length === 0) return []
    await this.#records.write(deletions(owner, seqsOf(entries)))
    for (const entry of entries) box.delete(entry)
    return seqsOf(entries)
  }

  /** Resolves when they are on disk, so that they can be deleted there. */
  async #hidden(
    owner: AccountNumber,
    chosen: (box: MailBox) => readonly BoxEntry[],
  ): Promise<{ readonly box: MailBox; readonly entries: readonly BoxEntry[] }> {
    const box = await this.#box(owner)
    const entries = chosen(box)
    for (const entry of entries) box.hide(entry)
    await Promise.allSettled(entries.map(({ stored }) => stored))
    return { box, entries }
  }

  // While something of an owner's changes, the box stays: another one would not know of it.
  #tracked<T>(owner: AccountNumber, change: Promise<T>): Promise<T> {
    const tail = Promise.allSettled([this.#tails.get(owner), change]).then(() => {
      if (this.#tails.get(owner) === tail) this.#tails.delete(owner)
    })
    this.#tails.set(owner, tail)
    return change
  }

  async #box(owner: AccountNumber): Promise<MailBox> {
    const known = this.#boxes.get(owner)
    const box = known ?? this.#load(owner)
    this.#boxes.delete(owner) // so that the map's order is the order of use
    this.#boxes.set(owner, box)
    try {
      return await box
    } catch (error) {
      if (this.#boxes.get(owner) === box) this.#boxes.delete(owner)
      throw error
    }
  }

  async #load(owner: AccountNumber): Promise<MailBox> {
    await this.#age() // before any mail is judged: from here on nothing needs to be waited for
    const box = new MailBox()
    const stored = Promise.resolve()
    for await (const { seq, index } of this.#indexes(owner, 0)) box.add({ ...index, seq, stored })
    box.onChange((change) => this.#count.changed(change))
    this.#loaded.set(owner, box)
    return box
  }

  #forgetBoxes(justUsed: AccountNumber): void {
    let entries = 0
    for (const box of this.#loaded.values()) entries += box.total.messages + 1
    for (const owner of this.#boxes.keys()) {
      if (entries <= MOST_ENTRIES) return
      if (owner === justUsed || this.#tails.has(owner)) continue
      entries -= (this.#loaded.get(owner)?.total.messages ?? 0) + 1
      this.#boxes.delete(owner)
      this.#loaded.delete(owner)
    }
  }

  async *#indexes(
    owner: AccountNumber,
    after: MailSeq,
  ): AsyncIterable<{ readonly seq: MailSeq; readonly index: Index }> {
    const range = numbersUnder(indexPrefix(owner), after)
    for await (const { key, value } of this.#records.range(indexRecord, range)) {
      yield { seq: lastNumberOf(key), index: value }
    }
  }

  async *#everyIndex(): AsyncIterable<Index> {
    for await (const { value } of this.#records.range(indexRecord, EVERYBODY)) yield value
  }

  async #older(thanMs: number): Promise<readonly { owner: AccountNumber; seq: MailSeq }[]> {
    const old: { owner: AccountNumber; seq: MailSeq }[] = [] // ≤ FORGET_AT_ONCE
    for await (const { key, value } of this.#records.range(indexRecord, EVERYBODY)) {
      if (value.ageMs >= thanMs) continue
      const [, owner = ''] = key.split('/')
      old.push({ owner: Number(owner), seq: lastNumberOf(key) })
      if (old.length >= FORGET_AT_ONCE) break
    }
    return old
  }

  /** `undefined` where it is damaged or gone: the others of its owner are delivered all the same. */
  async #body(owner: AccountNumber, seq: MailSeq): Promise<Uint8Array | undefined> {
    const key = bodyKey(owner, seq)
    const bytes = await this.#records.bytes(key)
    if (bytes !== undefined && isIntact(key, bytes)) return readBytes(key, bytes)
    // What was removed while we read has lost its index too, and is no damage.
    const isThere = (await this.#records.bytes(indexKey(owner, seq))) !== undefined
    if (isThere) this.#records.tellDamage(key)
    return undefined
  }

  async #age(): Promise<number> {
    this.#ageMs ??= (await this.#records.read(ageRecord, 'mail-age'))?.ms ?? 0
    return this.#ageMs
  }
}

function mailChanges(
  owner: AccountNumber,
  seq: MailSeq,
  index: Index,
  body: Uint8Array,
): readonly StoreChange[] {
  return [putRecord(indexRecord, indexKey(owner, seq), index), putBytes(bodyKey(owner, seq), body)]
}

function seqsOf(entries: readonly BoxEntry[]): readonly MailSeq[] {
  return entries.map(({ seq }) => seq)
}

function deletions(owner: AccountNumber, seqs: readonly MailSeq[]): readonly StoreChange[] {
  return seqs.flatMap((seq): StoreChange[] => [
    { kind: 'delete', key: indexKey(owner, seq) },
    { kind: 'delete', key: bodyKey(owner, seq) },
  ])
}

function indexPrefix(owner: AccountNumber): string {
  return `mail-index/${sortable(owner)}/`
}

function indexKey(owner: AccountNumber, seq: MailSeq): string {
  return indexPrefix(owner) + sortable(seq)
}

function bodyKey(owner: AccountNumber, seq: MailSeq): string {
  return `mail/${sortable(owner)}/${sortable(seq)}`
}
