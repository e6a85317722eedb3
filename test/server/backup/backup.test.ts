import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../../src/core/bytes.ts'
import { openLevelStore } from '../../../src/io/level-store.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { restoreBackup } from '../../../src/server/backup/restore-backup.ts'
import { type BackupDone, writeBackup } from '../../../src/server/backup/write-backup.ts'
import { DataDirectory } from '../../../src/server/data-directory.ts'
import { openServerStore } from '../../../src/server/store/kv-server-store.ts'
import { putRecord } from '../../../src/server/store/record.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { inTemporaryDirectory } from '../../support/temporary-directory.ts'
import { ALICE, BOB, CAROL, contentsOf, fillStore, WAITING } from '../support/community.ts'
import { testDevice, verifierOf } from '../support/test-device.ts'
import { z } from 'zod'

interface Place {
  readonly data: DataDirectory
  readonly file: string
  readonly target: string
  readonly backUp: () => Promise<BackupDone>
}

async function inPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await inTemporaryDirectory(async (parent) => {
    const data = new DataDirectory(join(parent, 'data'))
    const file = join(parent, 'backup')
    await data.prepare()
    await data.write('tls-key.pem', 'the key')
    await data.write('tls-certificate.pem', 'the certificate')
    const store = await openServerStore(await openLevelStore(data.storePath))
    await fillStore(store)
    await store.close()
    const backUp = () => writeBackup({ data, to: file, program: 'test', clock: systemClock })
    await use({ data, file, target: join(parent, 'target'), backUp })
  })
}

async function open(directory: string) {
  return await openServerStore(await openLevelStore(join(directory, 'store')))
}

describe('writeBackup() and restoreBackup()', () => {
  it('bring back accounts, lists, mail, prekeys and the server’s identity', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      const before = await open(data.path)
      const contents = await contentsOf(before)
      const secret = await before.secret('s', () => Uint8Array.of(1, 2))
      await before.close()

      const done = await backUp()
      const restored = await restoreBackup(file, target)

      assert.deepEqual([done.damaged, done.files, restored.files], [[], 2, 2])
      assert.deepEqual([restored.records, restored.report.found], [done.records, 0])
      assert.deepEqual((await readdir(target)).sort(), [
        'store',
        'tls-certificate.pem',
        'tls-key.pem',
      ])
      assert.equal(await readFile(join(target, 'tls-key.pem'), 'utf8'), 'the key')
      const after = await open(target)
      assert.deepEqual(await contentsOf(after), contents)
      assert.deepEqual(
        Buffer.from(await after.secret('s', () => Uint8Array.of(9))),
        Buffer.from(secret),
      )
      await after.close()
    })
  })

  it('are for their owner’s eyes alone, and leave nothing beside what they make', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      await backUp()
      await restoreBackup(file, target)

      assert.equal((await stat(file)).mode & 0o777, 0o600)
      assert.equal((await stat(target)).mode & 0o777, 0o700)
      assert.equal((await stat(join(target, 'tls-key.pem'))).mode & 0o777, 0o600)
      assert.deepEqual((await readdir(data.path)).sort(), [
        'store',
        'tls-certificate.pem',
        'tls-key.pem',
      ])
      assert.deepEqual((await readdir(join(file, '..'))).sort(), ['backup', 'data', 'target'])
    })
  })

  it('give no number of an account that was made after the backup to another one', async () => {
    await inPlace(async ({ file, target, backUp }) => {
      await backUp()
      await restoreBackup(file, target)

      const store = await open(target)
      const dave = { handle: 'dave' as never, verifier: verifierOf('x'), createdAtMs: 1 }
      assert.equal((await store.createAccount(dave))?.number, CAROL + 1 + 1_000)
      await store.close()
    })
  })

  it('hold, of a store that is being written, all that was accepted before, and no hole after', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      const store = await open(data.path)
      const first = await store.mail.reserve(1_000_000)
      let accepted = 0
      const end = new AbortController()
      const post = async (n: number): Promise<void> => {
        const { identity } = testDevice('bob').keys
        const messageId = Buffer.alloc(16)
        messageId.writeUInt32BE(n)
        const body = new SeededRandom(n).bytes(20_000)
        await store.mail.append({
          owner: CAROL,
          seq: first + n,
          from: BOB,
          device: identity,
          messageId,
          body,
        })
        accepted += 1
      }
      const writing = (async () => {
        for (let n = 0; !end.signal.aborted && n < 700; n += 4) {
          await Promise.all([post(n), post(n + 1), post(n + 2), post(n + 3)])
        }
      })()
      let atLeast = 0
      for (let round = 0; round < 3; round++) {
        atLeast = accepted
        await backUp()
      }
      end.abort()
      await writing

      await restoreBackup(file, target)
      const after = await open(target)
      const got = await after.mail.read(CAROL, 0, { messages: 100_000, bytes: 1e9 })
      assert.ok(got.length >= atLeast && atLeast > 0, `${got.length} of ${atLeast}`)
      got.forEach(({ messageId, body }, n) => {
        assert.equal(Buffer.from(messageId).readUInt32BE(), n)
        assert.equal(body.length, 20_000)
      })
      assert.equal((await after.mail.waiting(ALICE)).messages, WAITING)
      await Promise.all([store.close(), after.close()])
    })
  })

  it('refuse a file that was cut anywhere, and leave the directory empty', async () => {
    await inPlace(async ({ file, target, backUp }) => {
      await backUp()
      const { length } = await readFile(file)
      const random = new SeededRandom(3)
      for (let n = 0; n < 25; n++) {
        const [a = 0, b = 0, c = 0] = random.bytes(3)
        await truncate(file, n === 0 ? length - 1 : (a * 65_536 + b * 256 + c) % length)
        await assert.rejects(restoreBackup(file, target), { code: 'STORE_UNUSABLE' })
        assert.deepEqual(await readdir(target), [])
        await backUp()
      }
    })
  })

  it('refuse a file with any byte changed, and with anything behind it', async () => {
    await inPlace(async ({ file, target, backUp }) => {
      await backUp()
      const whole = await readFile(file)
      const random = new SeededRandom(4)
      for (let n = 0; n < 25; n++) {
        const [a = 0, b = 0, bit = 0] = random.bytes(3)
        const bytes = Buffer.from(whole)
        const at = n < 20 ? n : (a * 256 + b) % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8))
        await writeFile(file, bytes)
        await assert.rejects(restoreBackup(file, target), { code: 'STORE_UNUSABLE' }, `byte ${at}`)
      }
      await writeFile(file, Buffer.concat([whole, Buffer.from('x')]))
      await assert.rejects(restoreBackup(file, target), { message: /something follows its end/ })
      assert.deepEqual(await readdir(target), [])
    })
  })

  it('refuse a directory that is not empty, and one whose restore was interrupted', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      await backUp()

      await assert.rejects(restoreBackup(file, data.path), { message: /is not empty/ })
      await mkdir(join(target, 'restoring'), { recursive: true })
      await assert.rejects(restoreBackup(file, target), { message: /was interrupted/ })
      await assert.rejects(new DataDirectory(target).prepare(), { message: /was interrupted/ })
    })
  })

  it('refuse a backup of a later version of the store', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      const disk = await openLevelStore(data.storePath)
      await disk.write([putRecord(z.object({ version: z.number() }), 'format', { version: 2 })])
      await disk.close()
      await backUp()

      await assert.rejects(restoreBackup(file, target), { message: /has format 2/ })
      assert.deepEqual(await readdir(target), [])
    })
  })

  it('leave damaged records out, and name them', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      const disk = await openLevelStore(data.storePath)
      await disk.write([{ kind: 'put', key: 'handle/bob', value: utf8('0123456789') }])
      await disk.close()

      assert.deepEqual((await backUp()).damaged, ['Whose the handle "bob" is'])
      const { report } = await restoreBackup(file, target)

      assert.deepEqual(
        report.findings.map(({ what, done }) => [what, done]),
        [['Whose the handle "bob" is', 'written again']],
      )
    })
  })

  it('keep the last backup when a new one fails, and need a store', async () => {
    await inPlace(async ({ data, file, target, backUp }) => {
      await backUp()
      const before = await readFile(file)
      await assert.rejects(
        writeBackup({ data, to: join(file, 'no'), program: 'test', clock: systemClock }),
        { code: 'STORE_UNUSABLE' },
      )
      await assert.rejects(
        writeBackup({
          data: new DataDirectory(target),
          to: file,
          program: 'x',
          clock: systemClock,
        }),
        { code: 'NOT_FOUND' },
      )
      assert.ok(before.equals(await readFile(file)))
    })
  })
})
