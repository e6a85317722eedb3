import assert from 'node:assert/strict'
import type { Candidate, CandidateKind } from '../../src/protocol/server/messages.ts'
import {
  foundationOf,
  hasDependentMapping,
  hostCandidates,
  offered,
  Surroundings,
  targetsOf,
} from '../../src/traversal/candidate.ts'
import { at } from './puppet.ts'

function candidate(kind: CandidateKind, address: string, port = 5000): Candidate {
  return { kind, endpoint: at(address, port) }
}

function addressesOf(candidates: readonly Candidate[]): string[] {
  return candidates.map(({ endpoint }) => endpoint.address)
}

describe('hostCandidates()', () => {
  it('puts bridges, overlays and link-local addresses last and leaves out what nobody can reach', () => {
    const addresses = [
      '172.17.0.1', // docker
      '127.0.0.1',
      '169.254.7.7',
      '100.100.1.2', // an overlay VPN
      '2001:db8::5',
      'fe80::1',
      '192.168.1.5',
      '10.0.0.5',
      '0.0.0.0',
      'not an address',
    ]

    assert.deepEqual(addressesOf(hostCandidates(addresses, 5000)), [
      '192.168.1.5',
      '10.0.0.5',
      '2001:db8::5',
      '172.17.0.1',
      '100.100.1.2',
      '127.0.0.1',
      '169.254.7.7',
    ])
  })
})

describe('offered()', () => {
  it('offers nothing twice, but a host without a NAT as what it is and as what the world sees', () => {
    const host = candidate('host', '198.51.100.10')
    const reflexive = candidate('server-reflexive', '198.51.100.10')

    assert.deepEqual(offered([host, reflexive, host, reflexive]), [host, reflexive])
    assert.equal(targetsOf([host, reflexive], new Surroundings([]), 'auto').length, 1)
  })

  it('never lets interfaces crowd out the public address', () => {
    const hosts = Array.from({ length: 20 }, (_, n) => candidate('host', `10.0.${n}.5`))
    const chosen = offered([...hosts, candidate('server-reflexive', '198.51.100.1')])

    assert.equal(chosen.length, 10)
    assert.equal(chosen.at(-1)?.kind, 'server-reflexive')
  })
})

describe('foundationOf() and hasDependentMapping()', () => {
  it('see a NAT that gives each destination another port', () => {
    const [a, b] = [
      candidate('server-reflexive', '198.51.100.1', 1000),
      candidate('server-reflexive', '198.51.100.1', 1001),
    ]

    assert.equal(foundationOf(a), foundationOf(b))
    assert.ok(hasDependentMapping([a, b]))
    assert.ok(!hasDependentMapping([a, a, candidate('host', '192.168.1.5', 1)]))
  })

  it('do not mistake two lines to the internet for one', () => {
    assert.ok(
      !hasDependentMapping([
        candidate('server-reflexive', '198.51.100.1', 1000),
        candidate('server-reflexive', '203.0.113.1', 1001),
      ]),
    )
  })
})

describe('targetsOf()', () => {
  const around = new Surroundings([
    candidate('host', '192.168.1.5'),
    candidate('host', '2001:db8:1::5'),
    candidate('server-reflexive', '198.51.100.1'),
  ])
  const remote = [
    candidate('server-reflexive', '192.0.2.1', 40_000),
    candidate('mapped', '192.0.2.1', 5000),
    candidate('host', '10.0.0.9', 6000),
    candidate('host', '2001:db8:2::9', 6000),
    candidate('host', '192.168.1.9', 6000),
  ]

  it('orders them: LAN, IPv6, mapped, server-reflexive, guessed port, elsewhere', () => {
    assert.deepEqual(
      targetsOf(remote, around, 'auto').map(({ kind, endpoint }) => [
        kind,
        endpoint.address,
        endpoint.port,
      ]),
      [
        ['lan', '192.168.1.9', 6000],
        ['ipv6', '2001:db8:2::9', 6000],
        ['mapped', '192.0.2.1', 5000],
        ['server-reflexive', '192.0.2.1', 40_000],
        ['port-guess', '192.0.2.1', 6000],
        ['elsewhere', '10.0.0.9', 6000],
      ],
    )
  })

  it('keeps the policy', () => {
    assert.deepEqual(targetsOf(remote, around, 'relay'), [])
    assert.deepEqual(
      targetsOf(remote, around, 'lan').map(({ endpoint }) => endpoint.address),
      ['192.168.1.9', '10.0.0.9'],
    )
  })

  it('leaves out private addresses for who has none, and loopback for who offers none', () => {
    const outside = new Surroundings([candidate('host', '198.51.100.10')])
    const local = [candidate('host', '127.0.0.1', 7000), candidate('host', '192.168.1.9')]

    assert.deepEqual(targetsOf(local, outside, 'auto'), [])
    const machine = new Surroundings([candidate('host', '127.0.0.1')])
    assert.equal(targetsOf(local, machine, 'auto').length, 1)
  })
})
