/** Reports that between them have every field that a report can have. */
import { predictPath } from '../../src/natprobe/command/peer-prediction.ts'
import { Pseudonyms } from '../../src/natprobe/anonymize.ts'
import { changesBetween } from '../../src/natprobe/compare.ts'
import { nat64Of, NOTHING_OUTSIDE, type Outside } from '../../src/natprobe/outside.ts'
import {
  type FamilyName,
  makeReport,
  type Report,
  type UplinkRun,
} from '../../src/natprobe/report.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { World } from '../sim/world.ts'
import {
  literal,
  runProbe,
  type RunOptions,
  stunServer,
  type StunServerOptions,
} from './probe-world.ts'

const server = literal('203.0.113.1', 3478)

const works = { external: '198.51.100.1:40000', reachedAt: '198.51.100.1:40000' }

/** What is found beside the simulated world. */
export const outside: Outside = {
  tcp: [
    { server: { ...server, port: 443 }, outcome: 'connected' },
    { server: { ...server, port: 80 }, outcome: 'silent' },
    { server: { ...server, port: 7443 }, outcome: 'refused' },
  ],
  nobodys: [{ address: '192.0.2.1', status: undefined }],
  nat64: { value: null, confidence: 0.99 },
  portMapping: {
    gateway: '192.168.1.1',
    pcp: { value: 'works', confidence: 0.99, ...works, lifetimeMs: 7_200_000, isPermanent: false },
    natPmp: { value: 'not-forwarded', confidence: 0.9, external: works.external },
    upnp: { value: 'unavailable', confidence: 0.9, why: 'silent' },
    doubleNat: { value: false, confidence: 0.9 },
  },
}

/** A whole report from the simulated world. */
export function simulated(): Report {
  const world = new World(1)
  const main = stunServer(world)
  const nat = { ...natKinds.portRestricted, ports: { kind: 'sequential' } } as const
  const home = world.router('home', { addresses: ['198.51.100.1'], nat })
  const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
  const { result, tookMs } = runProbe(world, host, [main], { mode: 'full', lifetime: 'quick' })
  const servers = [{ label: 'stun.example.org', endpoint: main }]
  return makeReport({
    startedAt: '2026-01-01T00:00:00.000Z',
    tookMs,
    families: [{ family: 'ipv4', servers, result }],
    unresolved: ['no.such.name'],
    outside,
  })
}

interface Place extends StunServerOptions, RunOptions {
  readonly nat?: NatBehaviour
  readonly family?: FamilyName
}

/** What one family of a host finds, behind a NAT or an IPv6 firewall. */
function run({ nat = natKinds.portRestricted, family = 'ipv4', ...options }: Place): Report {
  const world = new World(1)
  const isIpv6 = family === 'ipv6'
  const addresses = isIpv6 ? ['2001:db8:9::1', '2001:db8:9::2'] : ['203.0.113.1', '203.0.113.2']
  const main = stunServer(world, { addresses, ...options })
  const home = world.router(
    'home',
    isIpv6
      ? { addresses: ['2001:db8:1::1'], firewall: { inbound: 'stateful' } }
      : { addresses: ['198.51.100.1'], nat },
  )
  const own = isIpv6 ? '2001:db8:1::5' : '192.168.1.5'
  const host = world.host('alice', { behind: home, addresses: [own] })
  const { result, tookMs } = runProbe(world, host, [main], { mode: 'full', ...options })
  const runs = [{ family, servers: [{ label: 'stun.example.org', endpoint: main }], result }]
  const otherUplinks: readonly UplinkRun[] = [
    {
      interfaceName: 'wlan0',
      families: runs,
      ...(outside.portMapping && { portMapping: outside.portMapping }),
    },
    { interfaceName: 'wwan0', families: [], why: 'nothing could be sent through it' },
  ]
  const startedAt = '2026-01-01T00:00:00.000Z'
  return makeReport({ startedAt, tookMs, families: runs, unresolved: [], outside, otherUplinks })
}

export function sampleReports(): readonly Report[] {
  const [usual, symmetric] = [simulated(), run({ nat: natKinds.symmetricRandom })]
  const delayed = run({ lifetime: 'quick', mayDelay: () => true })
  const block = run({ nat: { ...natKinds.portRestricted, ports: { kind: 'block', size: 512 } } })
  const compared = { ...usual, changes: changesBetween({ ...symmetric }, { ...usual }) }
  const whole = {
    ...usual,
    peer: predictPath({ ...usual }, { ...symmetric }),
    changes: compared.changes,
  }
  return [
    ...[usual, symmetric, delayed, block, compared, whole],
    { ...usual, peer: predictPath({ ...symmetric }, { ...symmetric }) },
    run({ family: 'ipv6' }),
    run({ addresses: ['203.0.113.1'], ports: [3478] }),
    makeReport({
      startedAt: usual.startedAt,
      tookMs: 0,
      families: [],
      unresolved: ['no.such.name'],
      outside: { ...NOTHING_OUTSIDE, nat64: nat64Of({ kind: 'failed', why: 'no answer in time' }) },
    }),
    ...[whole, block].map((report) => new Pseudonyms().anonymized(report)),
  ]
}
