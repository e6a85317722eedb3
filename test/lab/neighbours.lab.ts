import assert from 'node:assert/strict'
import type { HomeKind, HomeOnLine } from '../../scripts/lab/homes.ts'
import { routerKinds, type RouterKindName } from '../../scripts/lab/router/kinds.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, type Meeting, meet } from './meeting.ts'
import { record } from './results.ts'
import { CITY_LINE, type Resident, Town, townOfSuite } from './town.ts'

interface Neighbourhood {
  readonly name: string
  readonly build: (town: Town, label: string) => Promise<readonly [Resident, Resident]>
  readonly path: Meeting['path']
}

const neighbourhoods: readonly Neighbourhood[] = [
  { name: 'the same LAN', build: sameRouter('port-restricted cone'), path: 'lan' },
  {
    name: 'the same NAT without hairpinning, kept apart like guests of a Wi-Fi',
    build: sameRouter('port-restricted cone', { isIsolated: true }),
    path: 'relay',
  },
  {
    name: 'the same NAT with hairpinning, kept apart like guests of a Wi-Fi',
    build: sameRouter('port-restricted cone with hairpinning', { isIsolated: true }),
    path: 'direct',
  },
  { name: 'the same carrier, without hairpinning', build: sameCarrier('carrier'), path: 'relay' },
  {
    name: 'the same carrier, with hairpinning (RFC 6888 REQ-1)',
    build: sameCarrier('carrier with hairpinning'),
    path: 'direct',
  },
]

describe('two people behind the same router', () => {
  const town = townOfSuite()

  for (const [index, { name, build, path }] of neighbourhoods.entries()) {
    it(`in ${name}: ${path}`, async () => {
      const [a, b] = await build(town(), String(index))
      await acquaint(a, b)
      const meeting = await meet(a, b)
      await assertNothingLost(a.person, b.person)
      await assertNothingLost(b.person, a.person)
      record({ group: 'meetings', name: `two in ${name}`, meeting })

      assert.equal(meeting.path, path, JSON.stringify(meeting))
    })
  }
})

function sameRouter(
  kind: HomeKind & RouterKindName,
  { isIsolated = false } = {},
): Neighbourhood['build'] {
  return async (town, label) => {
    const edge = await town.internet.addRouter({ kind: routerKinds[kind], line: CITY_LINE })
    const homes = [await edge.addHost(), await edge.addHost()].map((host): HomeOnLine => ({
      host,
      gateways: [edge],
      edge,
      addresses: edge.publicAddresses,
    }))
    if (isIsolated) await edge.isolateHosts()
    return residents(town, label, homes)
  }
}

function sameCarrier(kind: RouterKindName): Neighbourhood['build'] {
  return async (town, label) => {
    const edge = await town.internet.addRouter({
      kind: routerKinds[kind],
      lan: '100.64.0',
      line: CITY_LINE,
    })
    const homes: HomeOnLine[] = []
    for (const lan of ['192.168.1', '192.168.2']) {
      const home = { kind: routerKinds['port-restricted cone'], behind: edge, lan }
      const router = await town.internet.addRouter(home)
      const host = await router.addHost()
      homes.push({ host, gateways: [router, edge], edge, addresses: edge.publicAddresses })
    }
    return residents(town, label, homes)
  }
}

async function residents(
  town: Town,
  label: string,
  homes: readonly HomeOnLine[],
): Promise<readonly [Resident, Resident]> {
  const [one, other] = homes
  assert.ok(one !== undefined && other !== undefined)
  return [
    { home: one, person: await town.moveIn(`one${label}`, one) },
    { home: other, person: await town.moveIn(`other${label}`, other) },
  ]
}
