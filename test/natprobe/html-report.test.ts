import assert from 'node:assert/strict'
import { SaxesParser } from 'saxes'
import { renderPage } from '../../src/natprobe/html-report.ts'
import { makeReport, type Report } from '../../src/natprobe/report.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { World } from '../sim/world.ts'
import { runProbe, stunServer } from './probe-world.ts'

function reportBehind(nat: NatBehaviour | undefined, label = 'stun.example.org'): Report {
  const world = new World(1)
  const main = stunServer(world)
  const place =
    nat === undefined
      ? { addresses: ['198.51.100.9'] }
      : {
          behind: world.router('home', { addresses: ['198.51.100.1'], nat }),
          addresses: ['192.168.1.5'],
        }
  const host = world.host('alice', place)
  const { result, tookMs } = runProbe(world, host, [main], { mode: 'full', lifetime: 'quick' })
  return makeReport({
    startedAt: '2026-01-01T00:00:00.000Z',
    tookMs,
    families: [{ family: 'ipv4', servers: [{ label, endpoint: main }], result }],
    unresolved: ['no.such.name'],
  })
}

/** The pictures by their names; throws where one is not well-formed XML. */
function pictures(page: string): ReadonlyMap<string, string> {
  const found = page.match(/<svg .*?<\/svg>/gs) ?? []
  return new Map(
    found.map((picture) => {
      let name = ''
      const parser = new SaxesParser()
      parser.on('opentag', ({ name: tag, attributes }) => {
        if (tag === 'svg') name = attributes['aria-label'] ?? ''
      })
      parser.write(picture).close()
      return [name, picture]
    }),
  )
}

const shortLived = { lifetimeMs: 40_000, ports: { kind: 'random' } } as const

describe('renderPage()', () => {
  it('shows the way, the mapping, the ports and the idle mappings', () => {
    const drawn = pictures(renderPage(reportBehind({ ...natKinds.portRestricted, ...shortLived })))

    assert.deepEqual(
      [...drawn.keys()],
      [
        'The way from this host to the servers',
        'How each destination saw one socket',
        'Public ports of fresh sockets',
        'Idle mappings',
      ],
    )
    assert.match(drawn.get('The way from this host to the servers') ?? '', /port-restricted-cone/)
    assert.equal(drawn.get('Public ports of fresh sockets')?.match(/<circle/g)?.length, 16)
    assert.deepEqual(drawn.get('Idle mappings')?.match(/class="(alive|gone|open)"/g), [
      ...Array<string>(3).fill('class="alive"'),
      'class="gone"',
      'class="gone"',
    ])
  })

  it('gives each public address of one socket a colour', () => {
    const colours = (nat: NatBehaviour): number => {
      const drawn = pictures(renderPage(reportBehind(nat)))
      const mapping = drawn.get('How each destination saw one socket') ?? ''
      return new Set(mapping.match(/dot c\d/g)).size
    }
    assert.equal(colours(natKinds.fullCone), 1)
    assert.equal(colours(natKinds.symmetricRandom), 4)
  })

  it('leaves out what was not tested', () => {
    const drawn = pictures(renderPage(reportBehind(undefined)))

    assert.deepEqual(
      [...drawn.keys()],
      ['The way from this host to the servers', 'How each destination saw one socket'],
    )
    assert.doesNotMatch([...drawn.values()].join(), /class="nat"/)
  })

  it('loads nothing, runs nothing and escapes what comes from outside', () => {
    const page = renderPage(reportBehind(natKinds.linux, '<script>alert("1")</script>'))

    assert.doesNotMatch(page, /<script|<link|<img|\bsrc=|href=|url\(|@import|https?:/)
    assert.match(page, /&lt;script&gt;alert\(&quot;1&quot;\)/)
    assert.match(page, /default-src 'none'/)
    pictures(page)
  })

  it('tells what is around', () => {
    const upnp = { value: 'works', confidence: 0.99, reachedAt: '203.0.113.7:4000' } as const
    const no = { value: 'unavailable', confidence: 0.9, why: 'silent' } as const
    const page = renderPage({
      ...reportBehind(natKinds.linux),
      portMapping: { gateway: '192.168.1.1', pcp: no, natPmp: no, upnp },
      egress: { udp: { 443: false, 3478: true }, tcp: { 443: true } },
    })

    assert.match(page, /Around.*UPnP<\/th><td>works: 203\.0\.113\.7:4000 was reached/s)
    assert.match(page, /UDP ports reached<\/th><td>3478; not 443</)
  })

  it('tells what changed', () => {
    const report = reportBehind(natKinds.linux)
    const changes = [{ field: 'families.ipv4.natted', before: false, now: true }]

    assert.match(renderPage({ ...report, changes }), /IPv4 natted<\/th><td>no -&gt; yes/)
    assert.match(renderPage({ ...report, changes: [] }), /Nothing\./)
  })
})
