import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Pseudonyms } from '../../src/natprobe/anonymize.ts'
import {
  type Change,
  changesBetween,
  type OldReport,
  readOldReport,
} from '../../src/natprobe/compare.ts'
import { makeReport, type Report } from '../../src/natprobe/report.ts'
import { renderChangedOnly, renderReport } from '../../src/natprobe/text-report.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { seeds } from '../sim/simulate.ts'
import { World } from '../sim/world.ts'
import { runProbe, stunServer } from './probe-world.ts'

interface Place {
  readonly nat?: NatBehaviour
  readonly loss?: number
  readonly seed?: number
  readonly outside?: string
}

function reportFrom({
  nat = { ...natKinds.portRestricted, ports: { kind: 'random' } },
  loss = 0,
  seed = 1,
  outside = '198.51.100.1',
}: Place = {}): Report {
  const world = new World(seed)
  const main = stunServer(world)
  const home = world.router('home', {
    addresses: [outside],
    nat,
    link: { latencyMs: 10, loss },
  })
  const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
  const { result, tookMs } = runProbe(world, host, [main])
  const servers = [{ label: 'stun.example.org', endpoint: main }]
  return makeReport({
    startedAt: '2026-01-01T00:00:00.000Z',
    tookMs,
    families: [{ family: 'ipv4', servers, result }],
    unresolved: [],
  })
}

function changes(before: Report, now: Report): readonly Change[] {
  const old = readOldReport(JSON.stringify(before))
  assert.ok(old.ok)
  return changesBetween(old.value, { ...now })
}

describe('changesBetween()', () => {
  it('is empty for the same network, whatever the ports, and at 5 % loss', () => {
    for (const loss of [0, 0.05]) {
      for (const seed of seeds(20)) {
        assert.deepEqual(changes(reportFrom(), reportFrom({ loss, seed: seed + 1 })), [])
      }
    }
  })

  it('tells another router and another address', () => {
    const now = reportFrom({ nat: natKinds.symmetricRandom, outside: '198.51.100.7' })

    assert.deepEqual(changes(reportFrom(), now), [
      { field: 'verdict', before: 'direct', now: 'relay-likely' },
      {
        field: 'families.ipv4.public',
        before: ['198.51.100.1'],
        now: ['198.51.100.7'],
      },
      { field: 'families.ipv4.classic', before: 'port-restricted-cone', now: 'symmetric' },
      {
        field: 'families.ipv4.mapping',
        before: 'endpoint-independent',
        now: 'address-and-port-dependent',
      },
    ])
  })

  it('tells what is new and what is gone', () => {
    const report = reportFrom()
    const without = { ...report, families: {} }

    const gone = changes(report, without)
    assert.ok(gone.length > 4 && gone.every(({ now }) => now === null))
    assert.ok(changes(without, report).every(({ before }) => before === null))
  })

  it('tells what is around: port mapping, reachable ports, sizes, portals', () => {
    const around = (works: string, isOpen: boolean, mtu: unknown): OldReport => ({
      portMapping: { gateway: '192.168.1.1', upnp: { value: works, confidence: 0.9 } },
      egress: { udp: { 443: isOpen }, tcp: { 443: true } },
      captivePortal: { value: !isOpen },
      families: { ipv4: { mtu: { value: mtu }, fragments: { value: isOpen } } },
    })

    assert.deepEqual(
      changesBetween(around('works', true, 1500), around('unavailable', false, 1400)),
      [
        { field: 'families.ipv4.mtu', before: 1500, now: 1400 },
        { field: 'families.ipv4.fragments', before: true, now: false },
        { field: 'portMapping.upnp', before: 'works', now: 'unavailable' },
        { field: 'egress.udp.443', before: true, now: false },
        { field: 'captivePortal', before: false, now: true },
      ],
    )
  })

  it('tells changes of the other uplinks by their interfaces, however they are named', () => {
    const through = (name: string, mapping: string, answered: boolean): OldReport => ({
      schema: 1,
      otherUplinks: [
        {
          interface: name,
          families: { ipv4: { mapping: { value: mapping } } },
          servers: [{ server: 'stun.example.org', answered }],
        },
      ],
    })
    const found = changesBetween(
      through('eth0.7', 'endpoint-independent', true),
      through('eth0.7', 'address-dependent', false),
    )
    const report = { ...reportFrom(), changes: found }

    assert.deepEqual(
      found.map(({ field }) => field),
      ['otherUplinks.eth0.7.families.ipv4.mapping', 'otherUplinks.eth0.7.servers.stun.example.org'],
    )
    assert.match(
      renderReport(report),
      / {2}through eth0\.7: IPv4 mapping +endpoint-independent -> address-dependent\n/,
    )
    assert.deepEqual(
      new Pseudonyms().anonymized(report).changes?.map(({ field }) => field),
      [
        'otherUplinks.interface-1.families.ipv4.mapping',
        'otherUplinks.interface-1.servers.server-1',
      ],
    )
    const hidden = { ...through('interface-1', 'none', true), anonymized: true }
    assert.deepEqual(changesBetween(hidden, through('eth0.7', 'address-dependent', true)), [])
  })

  it('does not compare what an anonymized report hides', () => {
    const before = new Pseudonyms().anonymized(reportFrom())

    assert.deepEqual(changes(before, reportFrom({ outside: '198.51.100.7' })), [])
  })

  it('never throws, whatever an old report holds', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (families, servers) => {
        const old = readOldReport(JSON.stringify({ schema: 1, families, servers }))
        assert.ok(old.ok)
        changesBetween(old.value, { ...reportFrom() })
      }),
      { numRuns: 50 },
    )
  })
})

describe('readOldReport()', () => {
  it('wants schema 1', () => {
    for (const text of ['', 'null', '[]', '{}', '{"schema":2}', '{"schema":"1"}']) {
      assert.equal(readOldReport(text).ok, false, text)
    }
  })
})

describe('renderReport() with changes', () => {
  it('ends with what changed', () => {
    const report = { ...reportFrom(), changes: [] }
    const now = reportFrom({ nat: natKinds.symmetricRandom })

    assert.match(renderReport(report), /\n\nNothing changed\.\n$/)
    assert.match(
      renderReport({ ...now, changes: changes(report, now) }),
      /\nChanged\n {2}verdict +direct -> relay-likely\n(.*\n)* {2}IPv4 mapping +endpoint-independent -> address-and-port-dependent\n$/,
    )
  })

  it('is the time and the changes alone in a repeated run', () => {
    const [before, now] = [reportFrom(), reportFrom({ outside: '198.51.100.7' })]

    assert.equal(renderChangedOnly({ ...before, changes: [] }), '')
    assert.equal(
      renderChangedOnly({ ...now, changes: changes(before, now) }),
      '2026-01-01T00:00:00.000Z\n  IPv4 public  198.51.100.1 -> 198.51.100.7\n',
    )
  })
})

describe('Pseudonyms', () => {
  it('leaves no address and no server name in a report, and keeps ports', () => {
    const report = reportFrom()
    const text = JSON.stringify(new Pseudonyms().anonymized(report))

    assert.doesNotMatch(text, /\d+\.\d+\.\d+\.\d+|example/)
    const [port] = /\d+$/.exec(report.families.ipv4?.public[0] ?? '') ?? []
    assert.match(
      text,
      new RegExp(`"local":"private-ipv4-1:\\d+","public":\\["public-ipv4-1:${port}"`),
    )
    assert.match(text, /"server":"server-1","address":"public-ipv4-2:3478"/)
  })

  it('gives one address one name, in all reports of its life', () => {
    const pseudonyms = new Pseudonyms()
    const [before, now] = [reportFrom(), reportFrom({ outside: '198.51.100.7' })]

    pseudonyms.anonymized(before)
    const shown = pseudonyms.anonymized({ ...now, changes: changes(before, now) })

    assert.deepEqual(shown.changes, [
      { field: 'families.ipv4.public', before: ['public-ipv4-1'], now: ['public-ipv4-4'] },
    ])
  })

  it('finds IPv6 addresses of every form, and only addresses', () => {
    const report = reportFrom()
    const advice = ['[2001:db8::1]:3478 fe80::1 ::1 12:30:05 1.2.3', '2001:DB8:0::1']

    assert.deepEqual(new Pseudonyms().anonymized({ ...report, families: {}, advice }).advice, [
      'public-ipv6-1:3478 link-local-ipv6-1 loopback-ipv6-1 12:30:05 1.2.3',
      'public-ipv6-1',
    ])
  })

  it('names servers in changes too', () => {
    const { anonymized, changes: shown } = new Pseudonyms().anonymized({
      ...reportFrom(),
      changes: [
        { field: 'servers.stun.example.org (203.0.113.1:3478)', before: null, now: 'answered' },
      ],
    })

    assert.equal(anonymized, true)
    assert.match(JSON.stringify(shown), /"servers\.server-1 \(203|"servers\.server-1 \(public/)
  })
})
