import assert from 'node:assert/strict'
import type { MailLimits, MailOutcome, MailStore } from '../../src/server/store/mail-store.ts'
import { assertSame } from '../server/support/same-value.ts'

const LIMITS: MailLimits = {
  owner: { messages: 5, bytes: 1_000 },
  sender: { messages: 3, bytes: 600 },
}

const ALICE = 10_001
const BOB = 10_002
const CAROL = 10_003
const DEVICE = new Uint8Array(32).fill(7)
const ALL = { messages: 100, bytes: 1_000_000 }

function idOf(n: number): Uint8Array {
  return new Uint8Array(16).fill(n)
}

/** What every implementation of the `MailStore` port does. `open` gives an empty one each time. */
export function mailStoreContract(
  name: string,
  open: (limits: MailLimits) => Promise<{ readonly mail: MailStore; close(): Promise<void> }>,
): void {
  describe(`${name} as a MailStore`, () => {
    let mail: MailStore
    let close: () => Promise<void>
    let seq: number

    beforeEach(async () => {
      const opened = await open(LIMITS)
      mail = opened.mail
      close = () => opened.close()
      seq = await mail.reserve(1_000)
    })

    afterEach(async () => {
      await close()
    })

    function post(n: number, { owner = ALICE, from = BOB, device = DEVICE, bytes = 10 } = {}) {
      seq += 1
      const body = new Uint8Array(bytes).fill(n)
      return mail.append({ owner, seq, from, device, messageId: idOf(n), body })
    }

    async function ids(owner = ALICE): Promise<number[]> {
      return (await mail.read(owner, 0, ALL)).map(({ messageId }) => messageId[0] ?? 0)
    }

    it('gives numbers once', async () => {
      const [first, second] = await Promise.all([mail.reserve(10), mail.reserve(10)])

      assert.ok(first >= seq + 999)
      assert.ok(second >= first + 10)
    })

    it('gives back what it was given, oldest number first', async () => {
      await post(1)
      await post(2, { from: CAROL, bytes: 3 })

      const mails = await mail.read(ALICE, 0, ALL)

      assertSame(mails, [
        { seq: seq - 1, from: BOB, messageId: idOf(1), body: new Uint8Array(10).fill(1) },
        { seq, from: CAROL, messageId: idOf(2), body: new Uint8Array(3).fill(2) },
      ])
      assert.deepEqual(await mail.read(BOB, 0, ALL), [])
      assert.deepEqual(await mail.read(ALICE, seq, ALL), [])
    })

    it('orders by number what was stored in another order', async () => {
      const [low, high] = [seq + 10, seq + 11]
      const common = { owner: ALICE, from: BOB, device: DEVICE, body: Uint8Array.of(1) }
      await mail.append({ ...common, seq: high, messageId: idOf(2) })
      await mail.append({ ...common, seq: low, messageId: idOf(1) })

      assert.deepEqual(await ids(), [1, 2])
    })

    it('reads as much as asked for, and one message in any case', async () => {
      for (const n of [1, 2, 3]) await post(n, { bytes: 100 })

      const some = await mail.read(ALICE, 0, { messages: 2, bytes: 1_000 })
      const few = await mail.read(ALICE, 0, { messages: 9, bytes: 250 })
      const one = await mail.read(ALICE, 0, { messages: 9, bytes: 1 })

      assert.deepEqual([some.length, few.length, one.length], [2, 2, 1])
    })

    it('keeps a message once, however often its device sends it', async () => {
      const twice = await Promise.all([post(1), post(1)])
      const later = await post(1)
      const other = await post(1, { device: new Uint8Array(32) })

      const seqs = [...twice, later].map((outcome) => outcome.kind === 'stored' && outcome.seq)
      assert.equal(new Set(seqs).size, 1)
      assert.equal(other.kind, 'stored')
      assert.deepEqual(await ids(), [1, 1])
    })

    it('forgets what is removed, and only that', async () => {
      for (const n of [1, 2, 3]) await post(n)

      await mail.remove(ALICE, [seq - 1, 999_999])

      assert.deepEqual(await ids(), [1, 3])
    })

    it('withdraws what the sending device names', async () => {
      for (const n of [1, 2]) await post(n)
      await post(3, { from: CAROL })
      const sender = { owner: ALICE, from: BOB, device: DEVICE }

      const gone = await mail.withdraw(sender, [idOf(2), idOf(3), idOf(4)])

      assert.deepEqual(gone, [seq - 1])
      assert.deepEqual(await ids(), [1, 3])
      assert.deepEqual(await mail.withdraw({ ...sender, device: idOf(1) }, [idOf(1)]), [])
    })

    it('forgets everything of an owner', async () => {
      await post(1)
      await post(2, { owner: CAROL })

      await mail.clear(ALICE)

      assert.deepEqual([await ids(), await ids(CAROL)], [[], [2]])
    })

    it('keeps to the quotas of sender and owner, of messages and of bytes', async () => {
      const kinds = (outcomes: readonly MailOutcome[]): string[] =>
        outcomes.map((outcome) => (outcome.kind === 'full' ? outcome.whose : outcome.kind))
      const sent = await Promise.all([1, 2, 3, 4].map((n) => post(n)))
      const byCarol = [await post(5, { from: CAROL, bytes: 700 }), await post(6, { from: CAROL })]
      const rest = [
        await post(7, { from: CAROL, bytes: 500 }),
        await post(8, { from: 10_004, bytes: 500 }),
        await post(9, { from: 10_004 }),
      ]

      assert.deepEqual(kinds(sent), ['stored', 'stored', 'stored', 'sender'])
      assert.deepEqual(kinds(byCarol), ['sender', 'stored'])
      assert.deepEqual(kinds(rest), ['stored', 'owner', 'owner'])
      assert.deepEqual(await mail.waiting(ALICE), { messages: 5, bytes: 540 })
    })

    it('has room again when mail was removed', async () => {
      for (const n of [1, 2, 3]) await post(n)
      await mail.remove(ALICE, [seq])

      assert.equal((await post(4)).kind, 'stored')
      assert.equal((await post(5)).kind, 'full')
    })

    it('tells when nothing is under way any more', async () => {
      const stored: number[] = []
      for (const n of [1, 2, 3]) void post(n).then(() => stored.push(n))

      await mail.settled(ALICE)

      assert.deepEqual(stored, [1, 2, 3])
    })

    it('forgets what has waited for too long, by the time that it has run', async () => {
      await post(1)
      assert.equal(await mail.age(600, 1_000), 0)
      await post(2)

      assert.equal(await mail.age(600, 1_000), 1)

      assert.deepEqual(await ids(), [2])
      assert.deepEqual(await mail.waiting(ALICE), { messages: 1, bytes: 10 })
    })

    it('tells how much waits in all, of everybody', async () => {
      assert.deepEqual(mail.total, { messages: 0, bytes: 0 })

      await post(1)
      await post(1)
      await post(2, { owner: CAROL, bytes: 300 })
      await post(3, { owner: CAROL, bytes: 301 })
      assert.deepEqual(mail.total, { messages: 2, bytes: 310 })

      await mail.clear(ALICE)
      assert.deepEqual(mail.total, { messages: 1, bytes: 300 })
      await mail.remove(CAROL, [seq, seq + 1])
      assert.deepEqual(mail.total, { messages: 1, bytes: 300 })
      await mail.age(500, 100)
      assert.deepEqual(mail.total, { messages: 0, bytes: 0 })
    })

    it('agrees with a plain list, whatever is done to it', async () => {
      let state = 42
      const random = (below: number): number => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31
        return Math.floor((state / 2 ** 31) * below)
      }
      const model = new Map<number, number>() // seq to id
      for (let step = 0; step < 200; step++) {
        const n = random(8)
        const known = [...model].find(([, id]) => id === n)
        if (random(2) === 0) {
          const outcome = await post(n)
          if (known !== undefined) assert.deepEqual(outcome, { kind: 'stored', seq: known[0] })
          else if (model.size >= 3) assert.equal(outcome.kind, 'full')
          else model.set(seq, n)
        } else if (known !== undefined) {
          await mail.remove(ALICE, [known[0]])
          model.delete(known[0])
        }
        assert.deepEqual(await ids(), [...model.values()])
      }
    })
  })
}
