import assert from 'node:assert/strict'
import type { Home } from '../../scripts/lab/homes.ts'
import type { KernelRouterKind } from '../../scripts/lab/router/kernel-router.ts'
import { assertNothingLost } from './letters.ts'
import { acquaint, meet } from './meeting.ts'
import { record } from './results.ts'
import { type Resident, townOfSuite } from './town.ts'

interface Case {
  readonly name: string
  readonly homes: readonly [KernelRouterKind, KernelRouterKind]
  readonly family: 4 | 6
}

const ipv6Only: KernelRouterKind = { ipv6: 'firewall' }
const dualStack: KernelRouterKind = { ipv4: 'masquerade', ipv6: 'firewall' }
const brokenIpv6: KernelRouterKind = { ipv4: 'masquerade', ipv6: 'broken' }

const cases: readonly Case[] = [
  { name: 'both with IPv6 only, behind firewalls', homes: [ipv6Only, ipv6Only], family: 6 },
  { name: 'both with IPv4 and IPv6', homes: [dualStack, dualStack], family: 6 },
  { name: 'one with IPv6 only, one with both', homes: [ipv6Only, dualStack], family: 6 },
  {
    name: 'both with IPv4, and IPv6 that leads nowhere',
    homes: [brokenIpv6, brokenIpv6],
    family: 4,
  },
]

describe('homes with IPv6', () => {
  const town = townOfSuite({ hasIpv6: true })

  for (const [index, { name, homes, family }] of cases.entries()) {
    it(`${name}: direct by IPv${family}`, async () => {
      const [a, b] = await Promise.all([
        moveIn(`one${index}`, homes[0]),
        moveIn(`other${index}`, homes[1]),
      ])
      await acquaint(a, b)
      const meeting = await meet(a, b)
      const { remote } = await a.person.request('net.path', { buddy: b.person.name })
      await assertNothingLost(a.person, b.person)
      await assertNothingLost(b.person, a.person)
      record({ group: 'meetings', name, meeting })

      assert.equal(meeting.path, 'direct', JSON.stringify(meeting))
      assert.equal(remote?.startsWith('['), family === 6, remote ?? 'no path')
    })
  }

  async function moveIn(name: string, kind: KernelRouterKind): Promise<Resident<Home>> {
    const router = await town().internet.addKernelRouter(kind)
    const host = await router.addHost()
    const home: Home = { host, gateways: [router], addresses: router.publicAddresses }
    const link = kind.ipv4 === undefined ? town().ipv6Link : town().server.link
    return { home, person: await town().moveIn(name, home, { link }) }
  }
})
