import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { HollerError } from '../../../src/core/holler-error.ts'
import type { Store } from '../../../src/core/store.ts'
import { openLevelStore } from '../../../src/io/level-store.ts'
import { normaliseHandle } from '../../../src/server/handle.ts'
import { openServerStore, STORE_LIMITS } from '../../../src/server/store/kv-server-store.ts'
import type { MailQuota } from '../../../src/server/store/mail-store.ts'
import { putRecord } from '../../../src/server/store/record.ts'
import type { Account, ServerStore } from '../../../src/server/store/server-store.ts'
import { adminStoreContract } from '../../contract/admin-store.contract.ts'
import { keyStoreContract } from '../../contract/key-store.contract.ts'
import { mailStoreContract } from '../../contract/mail-store.contract.ts'
import { serverStoreContract } from '../../contract/server-store.contract.ts'
import { sessionStoreContract } from '../../contract/session-store.contract.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { inTemporaryDirectory } from '../../support/temporary-directory.ts'
import { assertSame } from '../support/same-value.ts'
import { verifierOf } from '../support/test-device.ts'

serverStoreContract('KvServerStore in memory', (limits) => openServerStore(memoryStore(), limits))

adminStoreContract('KvAdminStore in memory', (limits) => openServerStore(memoryStore(), limits))

keyStoreContract('KvKeyStore in memory', () => openServerStore(memoryStore()))

sessionStoreContract('KvSessionStore in memory', () => openServerStore(memoryStore()))

mailStoreContract('KvMailStore in memory', (mail) =>
  openServerStore(memoryStore(), { ...STORE_LIMITS, mail }),
)

describe('on disk', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-test-'))
  })

  afterEach(async () => {
    await rm(directory, { recursive: true })
  })

  serverStoreContract('KvServerStore on level', async (limits) =>
    openServerStore(await openLevelStore(directory), limits),
  )

  adminStoreContract('KvAdminStore on level', async (limits) =>
    openServerStore(await openLevelStore(directory), limits),
  )

  keyStoreContract('KvKeyStore on level', async () =>
    openServerStore(await openLevelStore(directory)),
  )

  sessionStoreContract('KvSessionStore on level', async () =>
    openServerStore(await openLevelStore(directory)),
  )

  mailStoreContract('KvMailStore on level', async (mail) =>
    openServerStore(await openLevelStore(directory), { ...STORE_LIMITS, mail }),
  )
})

async function createAlice(store: ServerStore): Promise<Account | undefined> {
  const handle = normaliseHandle('alice')
  assert.ok(handle !== undefined)
  return await store.createAccount({ handle, verifier: verifierOf('x'), createdAtMs: 1 })
}

describe('openServerStore()', () => {
  it('finds everything again after a restart, and gives no number twice', async () => {
    await inTemporaryDirectory(async (directory) => {
      const before = await openServerStore(await openLevelStore(directory))
      const made = await createAlice(before)
      const secret = await before.secret('s', () => Uint8Array.of(1))
      await before.close()

      const after = await openServerStore(await openLevelStore(directory))
      assertSame(await after.account(10_001), made)
      assertSame(await after.secret('s', () => Uint8Array.of(2)), secret)
      assert.equal(await createAlice(after), undefined)
      await after.close()
    })
  })

  it('counts the mail that is there while other mail comes and goes', async () => {
    await inTemporaryDirectory(async (directory) => {
      const before = await openServerStore(await openLevelStore(directory))
      const mail = (seq: number) => ({
        ...{ owner: 10_001 + (seq % 3), seq, from: 10_009, device: new Uint8Array(32) },
        ...{ messageId: Uint8Array.of(seq >> 8, seq), body: new Uint8Array(seq % 7) },
      })
      const bytesOf = (seqs: readonly number[]): number =>
        seqs.reduce((sum, seq) => sum + (seq % 7), 0)
      const early = Array.from({ length: 1_500 }, (_, index) => index + 1)
      await Promise.all(early.map((seq) => before.mail.append(mail(seq))))
      await before.close()

      const after = await openServerStore(await openLevelStore(directory))
      assert.equal(after.mail.total, undefined)
      const [late, gone] = [
        [1_501, 1_502],
        [2, 1_500],
      ]
      await Promise.all([
        ...late.map((seq) => after.mail.append(mail(seq))),
        ...gone.map((seq) => after.mail.remove(mail(seq).owner, [seq])),
      ])
      const counted = async (): Promise<MailQuota> => {
        await new Promise((done) => setImmediate(done))
        return after.mail.total ?? (await counted())
      }

      const left = [...early, ...late].filter((seq) => !gone.includes(seq))
      assert.deepEqual(await counted(), { messages: left.length, bytes: bytesOf(left) })
      await after.close()
    })
  })

  it('refuses a store of a later version, and lets it go', async () => {
    const disk = memoryStore()
    let isClosed = false
    disk.close = () => {
      isClosed = true
      return Promise.resolve()
    }
    await openServerStore(disk)
    const format = await disk.get('format')
    assert.ok(format !== undefined)
    await disk.write([putRecord(z.object({ version: z.number() }), 'format', { version: 2 })])

    await assert.rejects(openServerStore(disk), { code: 'STORE_UNUSABLE' })
    assert.equal(isClosed, true)
  })

  it('never takes a damaged record for good', async () => {
    for (const damage of [flipBit, truncate, moveElsewhere]) {
      const disk = memoryStore()
      const store = await openServerStore(disk)
      const alice = await createAlice(store)

      await damage(disk, 'account/0000000000010001')

      await assert.rejects(store.account(10_001), isDamaged)
      assert.ok(alice !== undefined)
      await assert.rejects(store.updateAccount(alice), isDamaged)
    }
  })

  it('says that the store failed, whatever it was, and goes on when it is back', async () => {
    const disk = memoryStore()
    const store = await openServerStore(disk)
    const write = disk.write.bind(disk)

    disk.write = () => Promise.reject(new Error('ENOSPC: no space left on device'))
    await assert.rejects(createAlice(store), { code: 'STORE_UNUSABLE' })
    disk.write = write

    assert.equal((await createAlice(store))?.number, 10_001)
  })
})

function isDamaged(error: unknown): boolean {
  return error instanceof HollerError && error.code === 'STORE_UNUSABLE'
}

async function flipBit(disk: Store, key: string): Promise<void> {
  const value = Uint8Array.from((await disk.get(key)) ?? [])
  value[20] = (value[20] ?? 0) ^ 4
  await disk.write([{ kind: 'put', key, value }])
}

async function truncate(disk: Store, key: string): Promise<void> {
  const value = await disk.get(key)
  await disk.write([{ kind: 'put', key, value: value?.slice(0, 5) ?? new Uint8Array(0) }])
}

async function moveElsewhere(disk: Store, key: string): Promise<void> {
  const value = await disk.get('handle/alice')
  await disk.write([{ kind: 'put', key, value: value ?? new Uint8Array(0) }])
}
