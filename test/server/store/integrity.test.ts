import assert from 'node:assert/strict'
import type { Store, StoreChange } from '../../../src/core/store.ts'
import { checkIntegrity, type IntegrityReport } from '../../../src/server/store/integrity.ts'
import { openServerStore, STORE_LIMITS } from '../../../src/server/store/kv-server-store.ts'
import { putRecord } from '../../../src/server/store/record.ts'
import { rosterRecord } from '../../../src/server/store/server-records.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { ALICE, BOB, CAROL, contentsOf, fillStore, WAITING } from '../support/community.ts'

const ALL = { messages: 100, bytes: 1_000_000 }

const template = memoryStore()

async function filled(): Promise<Store> {
  const disk = memoryStore()
  const records: StoreChange[] = []
  for await (const [key, value] of template.range({})) records.push({ kind: 'put', key, value })
  await disk.write(records)
  return disk
}

async function keysOf(disk: Store): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of disk.range({})) keys.push(key)
  return keys
}

async function flip(disk: Store, key: string, bit = 100): Promise<void> {
  const value = Uint8Array.from((await disk.get(key)) ?? [])
  const at = Math.floor(bit / 8) % value.length
  value[at] = (value[at] ?? 0) ^ (1 << (bit % 8))
  await disk.write([{ kind: 'put', key, value }])
}

async function remove(disk: Store, key: string): Promise<void> {
  await disk.write([{ kind: 'delete', key }])
}

async function mend(disk: Store): Promise<IntegrityReport> {
  return await checkIntegrity(disk, { mends: true, isTimeUp: () => false })
}

function said(report: IntegrityReport): string[] {
  return report.findings.map(({ what, how, done }) => `${what}: ${how}, ${done}`)
}

const digits = (number: number): string => String(number).padStart(16, '0')

describe('checkIntegrity()', () => {
  before(async () => {
    await fillStore(await openServerStore(template))
  })

  it('finds nothing in a sound store, and looks at every record', async () => {
    const disk = await filled()

    const report = await mend(disk)

    const records = (await keysOf(disk)).length
    assert.deepEqual(report, { records, isComplete: true, findings: [], found: 0 })
  })

  it('names a damaged record of whatever kind, sets it aside, and the store opens', async () => {
    for (const key of await keysOf(await filled())) {
      const disk = await filled()
      await flip(disk, key)

      const report = await mend(disk)

      assert.ok(
        report.findings.some((finding) => finding.key === key && finding.how === 'damaged'),
        key,
      )
      assert.ok((await disk.get(`damaged/${key}`)) !== undefined, key)
      const store = await openServerStore(disk)
      await contentsOf(store)
      assert.equal(
        (await mend(disk)).findings.filter(({ how }) => how !== 'missing').length,
        0,
        key,
      )
    }
  })

  it('writes nothing unless it is to mend', async () => {
    const disk = await filled()
    await flip(disk, `account/${digits(BOB)}`)
    const before = await keysOf(disk)

    const report = await checkIntegrity(disk, { mends: false, isTimeUp: () => false })

    assert.deepEqual(said(report)[0], 'The account 10002: damaged, left as it is')
    assert.deepEqual(await keysOf(disk), before)
  })

  it('tells an account that is gone, and keeps its handle from others', async () => {
    const disk = await filled()
    await remove(disk, `account/${digits(BOB)}`)

    assert.deepEqual(said(await mend(disk)), [
      'The account 10002 with the handle "bob": missing, left as it is',
    ])
    const store = await openServerStore(disk)
    const { verifier } = (await store.account(ALICE)) ?? assert.fail()
    const again = { handle: 'bob' as never, verifier, createdAtMs: 2 }
    assert.equal(await store.createAccount(again), undefined)
  })

  it('does not miss an account that was deleted', async () => {
    const disk = await filled()
    const store = await openServerStore(disk)
    await store.admin.deleteAccount(BOB, { freesHandle: false })

    assert.equal((await mend(disk)).found, 0)
  })

  it('writes again whose a handle is', async () => {
    const disk = await filled()
    await flip(disk, 'handle/bob')

    assert.deepEqual(said(await mend(disk)), [
      'Whose the handle "bob" is: damaged, set aside',
      'Whose the handle "bob" is: missing, written again',
    ])
    const store = await openServerStore(disk)
    assert.equal((await store.accountByHandle('bob' as never))?.number, BOB)
  })

  it('writes the side of a pair again that its other side proves', async () => {
    const disk = await filled()
    await flip(disk, `roster/${digits(ALICE)}/${digits(BOB)}`)
    await remove(disk, `roster/${digits(CAROL)}/${digits(ALICE)}`)

    await mend(disk)

    const store = await openServerStore(disk)
    const states = async (of: number) =>
      (await store.roster(of)).map(({ number, handle, state }) => [number, handle, state])
    assert.deepEqual(await states(ALICE), [
      [BOB, 'bob', 'accepted'],
      [CAROL, 'carol', 'pending-in'],
    ])
    assert.deepEqual(await states(CAROL), [[ALICE, 'alice', 'pending-out']])
  })

  it('leaves a block without its other side alone, and tells sides that contradict each other', async () => {
    const disk = await filled()
    const store = await openServerStore(disk)
    const [alice, bob, carol] = await Promise.all([ALICE, BOB, CAROL].map((n) => store.account(n)))
    assert.ok(alice !== undefined && bob !== undefined && carol !== undefined)
    await store.changeRelation(bob, carol, () => ({ relation: 'blocked' }))
    await store.changeRelation(carol, bob, () => ({ relation: 'pending-out' }))
    assert.equal((await mend(disk)).found, 0)

    const side = { number: BOB, handle: 'bob' as never, state: 'blocked', note: '' } as const
    await disk.write([putRecord(rosterRecord, `roster/${digits(ALICE)}/${digits(BOB)}`, side)])

    assert.deepEqual(said(await mend(disk)), [
      'The entry of 10001 in the buddy list of 10002: contradictory, left as it is',
    ])
  })

  it('sets a message aside whose index or body is damaged or gone; the others are delivered', async () => {
    const disk = await filled()
    const [first = '', second = '', third = '', fourth = ''] = (await keysOf(disk))
      .filter((key) => key.startsWith('mail/'))
      .map((key) => key.slice('mail/'.length))
    await flip(disk, `mail/${first}`)
    await flip(disk, `mail-index/${second}`)
    await remove(disk, `mail/${third}`)
    await remove(disk, `mail-index/${fourth}`)

    const report = await mend(disk)

    assert.deepEqual(said(report).sort(), [
      'The message 1 for the account 10001: damaged, set aside',
      'The message 2 for the account 10001: damaged, set aside',
      'The message 3 for the account 10001: missing, set aside',
      'The message 4 for the account 10001: contradictory, set aside',
    ])
    assert.equal((await mend(disk)).found, 0)
    const store = await openServerStore(disk)
    assert.equal((await store.mail.read(ALICE, 0, ALL)).length, WAITING - 4)
    assert.equal((await store.mail.waiting(ALICE)).messages, WAITING - 4)
  })

  it('never lets a counter fall behind what it has given out', async () => {
    const disk = await filled()
    await flip(disk, 'next-number')
    await remove(disk, 'mail-next')

    await mend(disk)

    const store = await openServerStore(disk)
    assert.ok((await store.mail.reserve(1)) > WAITING + 1_000)
    const { verifier } = (await store.account(ALICE)) ?? assert.fail()
    const dave = { handle: 'dave' as never, verifier, createdAtMs: 2 }
    assert.equal((await store.createAccount(dave))?.number, CAROL + 1)
  })

  it('says that it was not complete when time was up, and judges nothing by what it has not seen', async () => {
    const disk = await filled()
    const total = (await keysOf(disk)).length
    for (let most = 0; most < total; most++) {
      let count = 0
      const isTimeUp = (): boolean => (count += 1) > most
      const report = await checkIntegrity(disk, { mends: true, isTimeUp })
      assert.deepEqual([report.isComplete, report.found], [false, 0], `after ${most} records`)
    }
  })

  it('survives any damage: what is found is mended, and a second look finds no more', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SeededRandom(seed)
      const disk = await filled()
      const keys = await keysOf(disk)
      for (let n = 0; n < 8; n++) {
        const [a = 0, b = 0, how = 0] = random.bytes(3)
        const key = keys[(a * 256 + b) % keys.length] ?? ''
        if (how % 3 === 0) await remove(disk, key)
        else await flip(disk, key, a * 256 + b)
      }

      await mend(disk)

      const left = (await mend(disk)).findings.filter(({ done }) => done !== 'left as it is')
      assert.deepEqual(left, [], `seed ${seed}`)
      const store = await openServerStore(disk)
      await contentsOf(store)
    }
  })
})

describe('a store with records that were damaged since it was opened', () => {
  it('passes over damaged entries and messages, and tells of them', async () => {
    const disk = await filled()
    const damages: string[] = []
    const store = await openServerStore(disk, STORE_LIMITS, (key) => damages.push(key))
    const bodies = (await keysOf(disk)).filter((key) => key.startsWith('mail/'))
    const side = `roster/${digits(ALICE)}/${digits(BOB)}`
    await flip(disk, bodies[0] ?? '')
    await flip(disk, side)

    assert.equal((await store.mail.read(ALICE, 0, ALL)).length, WAITING - 1)
    assert.deepEqual(
      (await store.roster(ALICE)).map(({ number }) => number),
      [CAROL],
    )
    assert.deepEqual(damages, [bodies[0], side])
  })
})
