/**
 * A store on a disk that is full, and on one that answers EIO: what is refused is told, what was accepted stays, and when
 * the disk takes writes again the store does too, without a restart. A small tmpfs, which needs root; strace makes system
 * calls fail. Skipped where there is neither.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openLevelStore } from '../../src/io/level-store.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { ALICE, fillStore, WAITING } from '../server/support/community.ts'
import { Sender, sentIn } from './store-sender.ts'

const run = promisify(execFile)

/** What LevelDB calls it in a new store. */
const FIRST_LOG = '000003.log'
const ALL = { messages: 100_000, bytes: 1e9 }

describe('a store on a disk of 48 MiB', function () {
  this.timeout(120_000)
  let directory: string
  let isMounted = false

  before(async function () {
    directory = await mkdtemp(join(tmpdir(), 'holler-full-'))
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory])
      isMounted = true
    } catch {
      this.skip()
    }
  })

  after(async () => {
    if (isMounted) await run('umount', [directory])
    await rm(directory, { recursive: true, force: true })
  })

  async function fillDisk(): Promise<string> {
    const path = join(directory, 'ballast')
    const { bavail, bsize } = await statfs(directory)
    await writeFile(path, Buffer.alloc(bavail * bsize))
    return path
  }

  it('refuses while it is full and reads go on, accepts again, and has all that it accepted after each', async () => {
    const path = join(directory, 'store')
    const store = await openServerStore(await openLevelStore(path))
    await fillStore(store)
    const sender = new Sender(store, await store.mail.reserve(10_000))
    for (let round = 0; round < 3; round++) {
      await sender.send(40)
      const ballast = await fillDisk()
      const refused = sender.refused.length
      for (let n = 0; n < 8; n++) await sender.send(4)
      assert.ok(sender.refused.length > refused, 'the disk was full')
      assert.equal((await store.mail.read(ALICE, 0, ALL)).length, WAITING)
      await rm(ballast)
      const before = sender.refused.length
      await sender.send(40)
      assert.equal(sender.refused.length, before, 'accepted again without a restart')
    }
    await store.close()

    const again = await openServerStore(await openLevelStore(path))
    const there = new Set(await sentIn(again))
    assert.deepEqual(
      sender.accepted.filter((n) => !there.has(n)),
      [],
    )
    console.log(
      `      ${sender.accepted.length} accepted, 0 lost; ${sender.refused.length} refused ` +
        `(${sender.refused.filter((n) => there.has(n)).length} of them on disk all the same)`,
    )
    await again.close()
  })

  it('cannot be opened while there is no room, and says so; then it can', async () => {
    const path = join(directory, 'store')
    const ballast = await fillDisk()
    await assert.rejects(openLevelStore(path, { onRepair: () => assert.fail() }), {
      code: 'STORE_UNUSABLE',
      message: /No space left/,
    })
    await rm(ballast)
    const store = await openServerStore(await openLevelStore(path))
    assert.equal((await store.mail.waiting(ALICE)).messages, WAITING)
    await store.close()
  })
})

describe('a store whose disk answers EIO', function () {
  this.timeout(120_000)
  let directory: string

  before(async function () {
    directory = await mkdtemp(join(tmpdir(), 'holler-eio-'))
    try {
      await run('strace', ['-f', '-e', 'trace=write', '-o', '/dev/null', 'true'])
    } catch {
      this.skip()
    }
  })

  after(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  // strace counts for each thread, and libuv has four.
  for (const [what, inject] of [
    ['sync', 'fsync,fdatasync:error=EIO:when=12+'],
    ['write', 'write:error=EIO:when=40+'],
  ] as const) {
    it(`to each ${what} of its log from some point on: what was accepted is there, and it went on`, async () => {
      const path = join(directory, what)
      const workload = fileURLToPath(new URL('failing-workload.ts', import.meta.url))
      const { stdout } = await run('strace', [
        ...['-f', '-o', '/dev/null', '-P', join(path, FIRST_LOG)],
        ...['-e', 'trace=write,fsync,fdatasync', '-e', `inject=${inject}`],
        ...[process.execPath, '--import=tsx', workload, path],
      ])
      const { accepted, refused } = JSON.parse(stdout) as Pick<Sender, 'accepted' | 'refused'>

      assert.ok(refused.length > 0 && refused.length < 20, `${refused.length} refused`)
      assert.ok(Math.max(...accepted) > Math.max(...refused), 'it went on')
      const store = await openServerStore(await openLevelStore(path))
      const there = new Set(await sentIn(store))
      assert.deepEqual(
        accepted.filter((n) => !there.has(n)),
        [],
      )
      assert.equal((await store.mail.waiting(ALICE)).messages, WAITING)
      await store.close()
    })
  }
})
