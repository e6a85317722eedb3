import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildHome, type HomeKind } from '../../scripts/lab/homes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import type { FamilyReport, Report } from '../../src/natprobe/report.ts'
import { checkedReport } from '../support/natprobe.ts'
import { runProgram } from '../support/programs.ts'
import { TurnServer } from './router-judges.ts'

const [SERVER] = SERVER_ADDRESSES

/** Idle times to 60 s, and what comes before and after them. */
const RUN_MS = 110_000

interface Truth {
  readonly status: number
  readonly mapping: string
  readonly filtering: string
  readonly allocation: string
  /** How long the router keeps an idle mapping, where that is less than what is tested. */
  readonly lifetimeMs?: number
}

const homes: Readonly<Partial<Record<HomeKind, Truth>>> = {
  'port-restricted cone': {
    status: 0,
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    allocation: 'preserve',
  },
  'forgetful cone': {
    status: 0,
    mapping: 'endpoint-independent',
    filtering: 'address-and-port-dependent',
    allocation: 'preserve',
    lifetimeMs: 15_000,
  },
  'symmetric sequential': {
    status: 10,
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    allocation: 'step',
  },
}

/** coturn knows CHANGE-REQUEST, RESPONSE-PORT and PADDING, but none of holler's own attributes. */
describe('natprobe in full, asking coturn', () => {
  let directory: string
  let internet: RouterInternet
  let turnServer: TurnServer
  const found = new Map<string, { readonly status: number | null; readonly report: Report }>()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hlab-nc-'))
    internet = await RouterInternet.create()
    turnServer = await TurnServer.start(internet.server, SERVER_ADDRESSES, directory)
    await Promise.all((Object.keys(homes) as HomeKind[]).map(probeFrom))
  })

  after(async () => {
    await turnServer.stop()
    await internet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function probeFrom(kind: HomeKind): Promise<void> {
    const { host } = await buildHome(internet, kind)
    const { code, stdout } = await runProgram(
      {
        ...{ name: 'natprobe', main: 'natprobe', prefix: host.namespace.prefix },
        args: [SERVER, '-4', '--json'],
      },
      RUN_MS,
    )
    found.set(kind, { status: code, report: checkedReport(stdout) })
  }

  for (const [kind, truth] of Object.entries(homes)) {
    it(`${kind}: right, and where coturn cannot tell, unknown`, () => {
      const run = found.get(kind)
      const family = run?.report.families.ipv4
      assert.ok(run !== undefined && family !== undefined)

      assert.equal(run.status, truth.status)
      assert.equal(family.mapping.value, truth.mapping)
      assert.equal(family.filtering.value, truth.filtering)
      assert.equal(family.allocator?.value.kind, truth.allocation)
      assert.equal(family.portPreservation?.value, truth.allocation === 'preserve')
      if (truth.mapping === 'endpoint-independent') {
        assert.ok([false, 'unknown'].includes(family.hairpin?.value ?? 'unknown'))
        assert.ok([false, 'unknown'].includes(family.poisonable?.value ?? 'unknown'))
        assert.ok([1, 'unknown'].includes(family.natDepth?.value ?? 'unknown'))
      }
      assert.ok([1500, 'unknown'].includes(family.mtu?.value ?? 'unknown'))
      assertLifetime(kind, family, truth.lifetimeMs)
      assert.equal(run.report.egress?.udp['3478'], true)
    })
  }
})

/** What is said never contradicts the router; the figures are printed. */
function assertLifetime(
  kind: string,
  { lifetime, mtu, fragments, hairpin, natDepth, poisonable }: FamilyReport,
  lifetimeMs = Infinity,
): void {
  assert.ok(lifetime !== undefined)
  const { atLeastMs, atMostMs, unrepliedMs } = lifetime.value
  const others = [hairpin, poisonable, natDepth, mtu, fragments].map((one) => `${one?.value}`)
  process.stdout.write(
    `      ${kind}: lives ${atLeastMs} to ${atMostMs} ms, unreplied ${unrepliedMs} ms; ` +
      `hairpin, poisonable, depth, MTU, fragments: ${others.join(', ')}\n`,
  )
  assert.ok(atLeastMs === null || atLeastMs <= lifetimeMs, `${atLeastMs}`)
  assert.ok(atMostMs === null || atMostMs >= lifetimeMs, `${atMostMs}`)
  assert.ok(unrepliedMs === null || unrepliedMs <= lifetimeMs, `${unrepliedMs}`)
}
