import assert from 'node:assert/strict'
import {
  filteringValues,
  type FilteringValue,
  mappingValues,
  type MappingValue,
} from '../../src/natprobe/finding.ts'
import type { NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import { makeReport, type FamilyName, type Report } from '../../src/natprobe/report.ts'
import type { Outside, TcpAnswer } from '../../src/natprobe/outside.ts'
import { lifetimeText, renderReport } from '../../src/natprobe/text-report.ts'
import {
  adviceOnSilence,
  classicType,
  familyVerdict,
  overallVerdict,
} from '../../src/natprobe/verdict.ts'
import { literal } from './probe-world.ts'
import { outside, simulated } from './sample-reports.ts'

const server = literal('203.0.113.1', 3478)

function resultOf(mapping: MappingValue, filtering?: FilteringValue): NatProbeResult {
  const finding = { confidence: 1, evidence: [], notes: [] }
  return {
    local: literal('192.168.1.5', 40_000),
    mapping: {
      mapping: { value: mapping, ...finding },
      public: [],
      isNatted: mapping !== 'none',
      rewritesPayload: undefined,
      answered: [{ server, rttMs: 1, hasAlternateAddress: true }],
      silent: [],
      full: undefined,
    },
    mappingEvidence: [],
    latency: [],
    ...(filtering === undefined ? {} : { filtering: { value: filtering, ...finding } }),
  }
}

function blocked(): NatProbeResult {
  const result = resultOf('unknown')
  return { ...result, mapping: { ...result.mapping, answered: [], silent: [server] } }
}

function reportOf(result: NatProbeResult, family: FamilyName = 'ipv4'): Report {
  const servers = [{ label: 'stun.example.org', endpoint: server }]
  const startedAt = '2026-01-01T00:00:00.000Z'
  return makeReport({
    startedAt,
    tookMs: 1,
    families: [{ family, servers, result }],
    unresolved: [],
  })
}

describe('familyVerdict()', () => {
  it('follows the mapping', () => {
    const verdictOf = (mapping: MappingValue): string => familyVerdict(resultOf(mapping))

    assert.deepEqual(mappingValues.map(verdictOf), [
      'direct',
      'relay-likely',
      'relay-likely',
      'inconclusive',
      'direct',
      'inconclusive',
    ])
    assert.equal(familyVerdict(blocked()), 'udp-blocked')
  })
})

describe('overallVerdict()', () => {
  const tcp = (...outcomes: readonly TcpAnswer['outcome'][]): Outside => {
    return { tcp: outcomes.map((outcome) => ({ server, outcome })), nobodys: [] }
  }
  const direct = resultOf('endpoint-independent')

  it('is as good as the better family', () => {
    assert.equal(overallVerdict([blocked(), direct]), 'direct')
    assert.equal(
      overallVerdict([resultOf('address-dependent'), resultOf('unknown')]),
      'relay-likely',
    )
    assert.equal(overallVerdict([blocked(), resultOf('unknown')]), 'inconclusive')
    assert.equal(overallVerdict([]), 'inconclusive')
  })

  it('blames UDP only where TCP gets through', () => {
    assert.equal(overallVerdict([blocked()], tcp('silent', 'connected')), 'udp-blocked')
    assert.equal(overallVerdict([blocked()], tcp('silent', 'refused')), 'inconclusive')
    assert.equal(overallVerdict([blocked(), blocked()], tcp('silent', 'refused')), 'udp-blocked')
    assert.equal(overallVerdict([blocked()], tcp('silent')), 'inconclusive')
    assert.equal(overallVerdict([direct], tcp('connected')), 'direct')
  })

  it('finds the portal that answers for everybody, but only where no server did', () => {
    const answering = (status: number | undefined): Outside => {
      return { ...tcp('connected'), nobodys: [{ address: '192.0.2.1', status }] }
    }
    for (const status of [200, 302, 511]) {
      assert.equal(overallVerdict([blocked()], answering(status)), 'captive-portal')
      assert.equal(overallVerdict([direct], answering(status)), 'direct')
    }
    for (const status of [undefined, 403, 502, 504]) {
      assert.equal(overallVerdict([blocked()], answering(status)), 'udp-blocked')
    }
  })
})

describe('classicType()', () => {
  it('translates mapping and filtering into the words of RFC 3489', () => {
    const row = (mapping: MappingValue): string[] =>
      filteringValues.map((filtering) => classicType(resultOf(mapping, filtering)))

    assert.deepEqual(row('none'), [
      'open-internet',
      'symmetric-firewall',
      'symmetric-firewall',
      'unknown',
    ])
    assert.deepEqual(row('endpoint-independent'), [
      'full-cone',
      'restricted-cone',
      'port-restricted-cone',
      'unknown',
    ])
    for (const mapping of ['address-dependent', 'address-and-port-dependent'] as const) {
      assert.deepEqual(new Set(row(mapping)), new Set(['symmetric']))
    }
    assert.deepEqual(new Set(row('eim-or-adm')), new Set(['unknown']))
    assert.equal(classicType(blocked()), 'udp-blocked')
  })
})

describe('makeReport()', () => {
  it('fills schema 1', () => {
    const report = simulated()
    const { ipv4 } = report.families

    assert.equal(report.schema, 1)
    assert.equal(report.verdict, 'direct')
    assert.ok(ipv4 !== undefined)
    assert.equal(ipv4.natted, true)
    assert.deepEqual(ipv4.public.length, 1)
    assert.equal(ipv4.mapping.value, 'endpoint-independent')
    assert.equal(ipv4.mapping.evidence.length, 4)
    assert.equal(ipv4.filtering.value, 'address-and-port-dependent')
    assert.equal(ipv4.filtering.evidence.length, 8)
    assert.equal(ipv4.classic, 'port-restricted-cone')
    assert.equal(ipv4.hairpin?.value, false)
    assert.deepEqual(ipv4.allocator?.value, { kind: 'step', step: 1 })
    assert.deepEqual(ipv4.portPreservation, { value: false, confidence: 0.99 })
    assert.deepEqual(ipv4.pooling, { value: false, confidence: 0.99 })
    assert.deepEqual([ipv4.mtu?.value, ipv4.fragments?.value], [1500, true])
    assert.deepEqual(report.egress, {
      udp: { 3478: true, 3479: true },
      tcp: { 443: true, 80: false, 7443: 'unknown' },
    })
    assert.deepEqual(report.portMapping, outside.portMapping)
    assert.deepEqual(report.captivePortal, { value: false, confidence: 0.9 })
    assert.deepEqual(report.servers, [
      {
        server: 'stun.example.org',
        address: '203.0.113.1:3478',
        answered: true,
        hasAlternateAddress: true,
        rttMs: { p50: 40, p99: 40 },
        jitterMs: 0,
        lossRatio: 0,
      },
      { server: 'no.such.name', answered: false },
    ])
  })

  it('leaves out what was not tested, and calls filtering unknown then', () => {
    const { families } = reportOf(resultOf('none'))

    assert.deepEqual(Object.keys(families.ipv4 ?? {}), [
      'local',
      'public',
      'natted',
      'mapping',
      'filtering',
      'classic',
    ])
    assert.deepEqual(
      [families.ipv4?.filtering.value, families.ipv4?.filtering.confidence],
      ['unknown', 0],
    )
  })

  it('advises where something can be done', () => {
    assert.deepEqual(reportOf(resultOf('endpoint-independent')).advice, [])
    assert.match(reportOf(resultOf('address-and-port-dependent')).advice.join(), /port mapping/)
    assert.match(reportOf(resultOf('eim-or-adm')).advice.join(), /two addresses/)
    assert.match(reportOf(resultOf('unknown')).advice.join(), /three plain STUN servers/)
    assert.match(reportOf(blocked()).advice.join(), /it may be down/)
    assert.match(adviceOnSilence('udp-blocked').join(), /Allow outgoing UDP/)
    assert.match(adviceOnSilence('captive-portal').join(), /log in/)
  })

  it('says so when there was nobody to ask', () => {
    const report = makeReport({ startedAt: '', tookMs: 0, families: [], unresolved: ['x'] })

    assert.deepEqual(
      [report.verdict, report.servers],
      ['inconclusive', [{ server: 'x', answered: false }]],
    )
    assert.equal(report.advice.length, 1)
  })
})

describe('renderReport()', () => {
  it('says the verdict first, then what each family, each server and the advice say', () => {
    assert.equal(
      renderReport(simulated()),
      `Direct paths expected.

IPv4
  local address             192.168.1.5:40001
  public address            198.51.100.1:PORT
  NAT                       yes
  mapping                   endpoint-independent (99 % sure)
  filtering                 address-and-port-dependent (99 % sure)
  classic type              port-restricted-cone
  hairpin                   no
  keeps ports               no
  several public addresses  no
  port allocation           in steps of 1 (99 % sure)
  early packets move ports  no
  hops to the last NAT      1
  idle mappings live        60 s or longer (99 % sure)
  without a reply           at least 20 s
  largest packet            1500 bytes
  fragments arrive          yes

Around
  gateway                  192.168.1.1
  port mapping by PCP      works: 198.51.100.1:40000 was reached from outside
  port mapping by NAT-PMP  granted as 198.51.100.1:40000, but nothing came through
  port mapping by UPnP     no (silent)
  another NAT behind it    no
  UDP ports reached        3478, 3479
  TCP ports reached        443; not 80; unknown 7443
  captive portal           no
  NAT64                    none

Servers
  stun.example.org  203.0.113.1:3478, answered, 40 ms, jitter 0 ms, loss 0 %, two addresses
  no.such.name      name not found

* Hosts behind this router cannot reach each other by its public address: peers here must find each other in the local network.
`.replace('PORT', simulated().families.ipv4?.public[0]?.split(':')[1] ?? ''),
    )
  })

  it('says how long idle mappings live', () => {
    const live = (atLeastMs: number | null, atMostMs: number | null): string =>
      lifetimeText({ atLeastMs, atMostMs, unrepliedMs: null, refreshedBy: 'unknown' })

    assert.equal(live(null, null), 'unknown')
    assert.equal(live(60_000, null), '60 s or longer')
    assert.equal(live(30_000, 51_000), '30 to 51 s')
    assert.equal(live(0, 21_000), 'less than 21 s')
  })

  it('shows unknown values without a confidence, and why', () => {
    const text = renderReport(reportOf(blocked()))

    assert.match(text, /^Inconclusive/m)
    assert.match(text, /^ {2}mapping +unknown$/m)
    assert.match(text, /^ {2}\(no server answered\)$/m)
    assert.match(text, /^ {2}stun\.example\.org +203\.0\.113\.1:3478, no answer$/m)
  })
})
