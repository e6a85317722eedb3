import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { buildHome } from '../../scripts/lab/homes.ts'
import type { Namespace } from '../../scripts/lab/namespaces.ts'
import type { LineConditions } from '../../scripts/lab/router/control.ts'
import { own } from '../../scripts/lab/router/owned-processes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import { Waiters } from '../support/waiters.ts'
import { isThorough } from './depth.ts'
import { pause } from './letters.ts'
import { record } from './results.ts'

const [SERVER] = SERVER_ADDRESSES
const PORT = '7011'

const MEGABYTES = 20
const OUTAGE_MS = isThorough ? 60_000 : 15_000

/** In the middle: 20 Mbit/s bring a quarter of it until then. */
const BEFORE_BYTES = 5_000_000

/** Two probes in 3 s ask whether anybody is there (`src/reliable-udp/probe-timeout.ts`); the rest is the machine's. */
const AGAIN_MS = 5_000

const PATIENCE_MS = 120_000

const line: LineConditions = {
  up: { latencyMs: 10, rateBytesPerSecond: 2_500_000 },
  down: { latencyMs: 10, rateBytesPerSecond: 2_500_000 },
}
const nothing: LineConditions = { up: { loss: 1 }, down: { loss: 1 } }

interface Said {
  readonly kind: 'listening' | 'progress' | 'disorder' | 'done'
  readonly key?: string
  readonly bytes?: number
  readonly at?: number
  readonly isWhole?: boolean
  readonly chat?: { readonly said: number; readonly lines: number; readonly slowestMs: number }
}

/** `scripts/lab/transfer.mjs` in a namespace. */
class Transfer {
  readonly said: Said[] = [] // a few thousand: one for each chunk that comes
  readonly #waiters = new Waiters()
  readonly #child: ChildProcess

  constructor(namespace: Namespace, ...args: readonly string[]) {
    const program = fileURLToPath(new URL('../../scripts/lab/transfer.mjs', import.meta.url))
    const [command = '', ...prefix] = namespace.prefix
    const child = spawn(command, [...prefix, process.execPath, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    void own(child) // it ends with this process at the latest
    createInterface({ input: child.stdout }).on('line', (text) => {
      this.said.push(JSON.parse(text) as Said)
      this.#waiters.notify()
    })
    this.#child = child
  }

  async says(fits: (said: Said) => boolean): Promise<Said> {
    return this.#waiters.until(
      () => this.said.find(fits),
      PATIENCE_MS,
      () => `said only ${JSON.stringify(this.said.slice(-3))}`,
    )
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

describe('a transfer and a chat by holler/reliable-udp', () => {
  let internet: RouterInternet | undefined
  const running: Transfer[] = []

  after(async () => {
    for (const program of running) program.stop()
    await internet?.close()
  })

  function run(...[namespace, ...args]: ConstructorParameters<typeof Transfer>): Transfer {
    const program = new Transfer(namespace, ...args)
    running.push(program)
    return program
  }

  it(`lose nothing of ${MEGABYTES} MB when the line is dead for ${OUTAGE_MS / 1000} s, and go on at once`, async () => {
    internet = await RouterInternet.create()
    const { host, edge } = await buildHome(internet, 'port-restricted cone', { line })
    const receiver = run(internet.server, 'receive', SERVER, PORT)
    const { key = '' } = await receiver.says(({ kind }) => kind === 'listening')
    const sender = run(host.namespace, 'send', SERVER, PORT, key, String(MEGABYTES))
    await receiver.says(({ bytes = 0 }) => bytes >= BEFORE_BYTES)

    await edge.impair(nothing)
    await pause(OUTAGE_MS)
    const backAt = Date.now()
    await edge.impair(line)
    const again = await receiver.says(({ at = 0 }) => at > backAt)
    const { isWhole, chat } = await sender.says(({ kind }) => kind === 'done')

    const againMs = (again.at ?? 0) - backAt
    const beforeBytes = receiver.said.findLast(({ at = 0 }) => at !== 0 && at <= backAt)?.bytes ?? 0
    const name = `a transfer of ${MEGABYTES} MB by the library, the line dead for ${OUTAGE_MS / 1000} s`
    record({ group: 'outages', name, slowestMs: chat?.slowestMs ?? 0 })
    assert.ok(beforeBytes < MEGABYTES * 1_000_000, 'it was over before')
    assert.equal(isWhole, true)
    assert.equal(chat?.lines, chat?.said)
    assert.deepEqual(
      receiver.said.filter(({ kind }) => kind === 'disorder'),
      [],
    )
    assert.ok(againMs <= AGAIN_MS, `on again after ${againMs} ms`)
  }).timeout(OUTAGE_MS + 2 * PATIENCE_MS)
})
