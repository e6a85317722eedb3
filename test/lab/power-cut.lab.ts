/**
 * The power is cut at any instant: states of the disk rebuilt from the traced system calls of a real store, each opened
 * again. `POWER_CUT_STATES=2000` deepens it. Skipped where there is no strace, or it may not trace.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openLevelStore, type StoreRepair } from '../../src/io/level-store.ts'
import { checkIntegrity } from '../../src/server/store/integrity.ts'
import { openServerStore } from '../../src/server/store/kv-server-store.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { assertKept, type Told } from './store-promises.ts'
import { readTrace, TRACED, TracedDisk, type TracedEvent } from './traced-writes.ts'

const STATES = Number(process.env['POWER_CUT_STATES'] ?? 200)
const SEED = Number(process.env['POWER_CUT_SEED'] ?? Date.now() % 1_000_000)
const run = promisify(execFile)

describe(`a store whose machine loses power (seed ${SEED})`, function () {
  this.timeout(60_000 + STATES * 2_000)
  let directory: string
  let events: readonly TracedEvent[]

  before(async function () {
    try {
      await run('strace', ['-f', '-e', 'trace=write', '-o', '/dev/null', 'true'])
    } catch {
      this.skip()
    }
    directory = await realpath(await mkdtemp(join(tmpdir(), 'holler-power-')))
    const [store, trace] = [join(directory, 'store'), join(directory, 'trace')]
    const workload = fileURLToPath(new URL('store-workload.ts', import.meta.url))
    const strace = ['-f', '--seccomp-bpf', '-y', '-xx', '-s', '16777216', '-o', trace]
    const program = [process.execPath, '--import=tsx', workload, store, String(SEED)]
    await run('strace', [...strace, '-e', `trace=${TRACED}`, ...program], { maxBuffer: 1e8 })
    events = await readTrace(trace, store)
  })

  after(async () => {
    await rm(directory, { recursive: true, force: true })
  })

  it(`opens in each of ${STATES} states, with everything that was acknowledged`, async () => {
    const { kept, repairs } = await cutAndOpen(events, STATES)

    const syncs = events.filter(({ kind }) => kind === 'sync').length
    console.log(
      `      ${STATES} states from ${events.length} calls with ${syncs} syncs: ` +
        `${kept} messages expected, 0 lost, 0 back; ${repairs.length} told of dropped bytes`,
    )
    assert.deepEqual(
      repairs.filter(({ kind }) => kind === 'repaired'),
      [],
    )
  })

  it('would find out a store that does not sync', async () => {
    const unsynced = events.filter(({ kind }) => kind !== 'sync')

    await assert.rejects(cutAndOpen(unsynced, 20), /State \d+/)
  })

  async function cutAndOpen(
    all: readonly TracedEvent[],
    states: number,
  ): Promise<{ readonly kept: number; readonly repairs: readonly StoreRepair[] }> {
    const random = new SeededRandom(SEED)
    const disk = new TracedDisk()
    const repairs: StoreRepair[] = []
    let [at, kept] = [0, 0]
    for (const [index, point] of crashPoints(all, states, random).entries()) {
      for (; at <= point; at++) disk.apply(all[at] ?? assert.fail())
      const path = join(directory, `state-${index}`)
      await disk.cutPower(path, random)
      try {
        kept += await judge(path, disk, (repair) => repairs.push(repair))
      } catch (error) {
        throw new Error(`State ${index}, event ${point} of ${all.length}`, { cause: error })
      }
      await rm(path, { recursive: true })
    }
    return { kept, repairs }
  }
})

/** Behind every sync in turn, and as many more anywhere, sorted. */
function crashPoints(
  events: readonly TracedEvent[],
  states: number,
  random: SeededRandom,
): readonly number[] {
  const syncs = events.flatMap(({ kind }, index) => (kind === 'sync' ? [index] : []))
  const points: number[] = []
  for (let n = 0; points.length < states; n++) {
    const [a = 0, b = 0, c = 0] = random.bytes(3)
    const anywhere = (a * 65_536 + b * 256 + c) % events.length
    const behindSync = syncs[Math.floor((n / states) * syncs.length)] ?? anywhere
    points.push(n % 2 === 0 ? behindSync : anywhere)
  }
  return points.sort((a, b) => a - b)
}

async function judge(
  path: string,
  disk: TracedDisk,
  onRepair: (repair: StoreRepair) => void,
): Promise<number> {
  const level = await openLevelStore(path, { onRepair })
  const { findings } = await checkIntegrity(level, { mends: false, isTimeUp: () => false })
  const store = await openServerStore(level)
  try {
    assert.deepEqual(findings, [])
    const told = disk.told
      .join('')
      .split('\n')
      .filter((line) => line !== '')
    return await assertKept(
      store,
      told.map((line) => JSON.parse(line) as Told),
    )
  } finally {
    await store.close()
  }
}
