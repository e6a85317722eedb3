/** What `store-workload.ts` was promised by its store, and whether a store keeps it. */
import assert from 'node:assert/strict'
import type { ServerStore } from '../../src/server/store/server-store.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

export const OWNERS = 4

export type Told =
  | { readonly kind: 'account'; readonly number: number }
  | { readonly kind: 'stored'; readonly owner: number; readonly seq: number; readonly n: number }
  /** From here on it may be there or not. */
  | { readonly kind: 'removing'; readonly owner: number; readonly seq: number }
  | { readonly kind: 'removed'; readonly owner: number; readonly seq: number }
  | { readonly kind: 'buddies'; readonly a: number; readonly b: number }

export function idOf(n: number): Uint8Array {
  const id = Buffer.alloc(16)
  id.writeUInt32BE(n)
  return id
}

const bodies = new Map<number, Uint8Array>() // as many as the workload sends

/** 1 to 33 KiB that do not compress. */
export function bodyOf(n: number): Uint8Array {
  const known = bodies.get(n)
  if (known !== undefined) return known
  const random = new SeededRandom(n + 1)
  const [a = 0, b = 0] = random.bytes(2)
  const body = random.bytes(1_024 + ((a * 256 + b) % 32_768))
  bodies.set(n, body)
  return body
}

/** @returns how many messages must be there */
export async function assertKept(store: ServerStore, told: readonly Told[]): Promise<number> {
  const stored = new Map<number, { owner: number; n: number }>()
  const pairs = new Map<string, { a: number; b: number }>()
  const removing = new Set<number>()
  const removed = new Set<number>()
  for (const each of told) {
    switch (each.kind) {
      case 'account':
        assert.ok((await store.account(each.number)) !== undefined, `account ${each.number}`)
        break
      case 'stored':
        stored.set(each.seq, each)
        break
      case 'removing':
        removing.add(each.seq)
        break
      case 'removed':
        removed.add(each.seq)
        break
      case 'buddies':
        pairs.set(`${each.a} ${each.b}`, each)
    }
  }
  for (const { a, b } of pairs.values()) {
    await assertBuddies(store, a, b)
    await assertBuddies(store, b, a)
  }
  const present = new Map<number, Uint8Array>()
  for (const owner of new Set([...stored.values()].map((each) => each.owner))) {
    const mails = await store.mail.read(owner, 0, { messages: 100_000, bytes: 1e9 })
    const numbers = mails.map(({ messageId }) => Buffer.from(messageId).readUInt32BE())
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
      'in the order of their sender, each once',
    )
    for (const { seq, body } of mails) present.set(seq, body)
  }
  let lost = 0
  for (const [seq, { n }] of stored) {
    if (removing.has(seq)) continue
    if (Buffer.compare(present.get(seq) ?? new Uint8Array(0), bodyOf(n)) !== 0) lost += 1
  }
  assert.equal(lost, 0, `${lost} of ${stored.size} accepted messages lost`)
  for (const seq of removed) assert.ok(!present.has(seq), `message ${seq} came back`)
  return stored.size - removing.size
}

async function assertBuddies(store: ServerStore, a: number, b: number): Promise<void> {
  const entry = (await store.roster(a)).find(({ number }) => number === b)
  assert.equal(entry?.state, 'accepted', `${b} in the list of ${a}`)
}
