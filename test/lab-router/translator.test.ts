import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { decodeIcmp } from '../../scripts/lab/router/icmp.ts'
import { decodeIpv4, encodeIpv4, type Ipv4Packet } from '../../scripts/lab/router/ipv4.ts'
import { routerKinds } from '../../scripts/lab/router/kinds.ts'
import {
  decodeEndpoints,
  type Endpoints,
  readdressed,
  udpPacket,
} from '../../scripts/lab/router/transport.ts'
import {
  type Outcome,
  type Side,
  Translator,
  type TranslatorOptions,
} from '../../scripts/lab/router/translator.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { captured } from './packets.ts'

const PUBLIC = '198.51.100.1'
const inside = at('10.0.0.1', 5000)
const remote = at('203.0.113.10', 3478)

function at(address: string, port: number): Endpoint {
  return { family: 4, address, port }
}

function translator(options: Partial<TranslatorOptions> = {}): Translator {
  const { nat } = routerKinds['port-restricted cone']
  return new Translator({ addresses: [PUBLIC], nat, ...options }, new SeededRandom(1))
}

function udp(from: Endpoint, to: Endpoint, ttl = 64): Uint8Array {
  return encodeIpv4(udpPacket({ from, to }, Uint8Array.of(1, 2, 3), ttl))
}

function passed(outcome: Outcome): { to: Side; packet: Ipv4Packet } {
  assert.ok(outcome.kind === 'forward', JSON.stringify(outcome))
  const packet = decodeIpv4(outcome.bytes)
  assert.ok(packet.ok)
  return { to: outcome.to, packet: packet.value }
}

function ends(outcome: Outcome): Endpoints {
  const found = decodeEndpoints(passed(outcome).packet)
  assert.ok(found.ok)
  return found.value
}

describe('Translator', () => {
  it('translates UDP out, and the answer in', () => {
    const router = translator()

    const out = router.handle(0, 'inside', udp(inside, remote))
    const back = router.handle(1, 'outside', udp(remote, at(PUBLIC, 5000)))

    assert.deepEqual(ends(out), { from: at(PUBLIC, 5000), to: remote })
    assert.equal(passed(out).to, 'outside')
    assert.deepEqual(ends(back), { from: remote, to: inside })
    assert.equal(passed(back).to, 'inside')
  })

  it('gives back one of the two hops that the kernel takes', () => {
    assert.equal(passed(translator().handle(0, 'inside', udp(inside, remote, 1))).packet.ttl, 2)
  })

  it('drops what the NAT drops, and says why', () => {
    const router = translator()
    router.handle(0, 'inside', udp(inside, remote))
    const dropped = (from: Endpoint, to: Endpoint): Outcome =>
      router.handle(1, 'outside', udp(from, to))

    assert.deepEqual(dropped(at('192.0.2.9', 1), at(PUBLIC, 5000)), {
      kind: 'drop',
      why: 'filtered',
    })
    assert.deepEqual(dropped(remote, at(PUBLIC, 5001)), { kind: 'drop', why: 'no-mapping' })
    assert.deepEqual(dropped(remote, at('198.51.100.9', 5000)), {
      kind: 'drop',
      why: 'not-our-address',
    })
  })

  it('sends back in what goes to its own address, where the NAT hairpins', () => {
    const { nat } = routerKinds['full cone with hairpinning']
    const router = translator({ nat })
    const other = at('10.0.0.2', 6000)
    router.handle(0, 'inside', udp(inside, remote))

    const outcome = router.handle(1, 'inside', udp(other, at(PUBLIC, 5000)))

    assert.equal(passed(outcome).to, 'inside')
    assert.deepEqual(ends(outcome), { from: at(PUBLIC, 6000), to: inside })
  })

  it('masquerades TCP of two hosts with the same port, and keeps their answers apart', () => {
    const router = translator()
    const syn = decodeIpv4(captured.tcp)
    assert.ok(syn.ok)
    const hosts = [at('10.0.0.1', 4000), at('10.0.0.2', 4000)]

    const outs = hosts.map((from) => {
      const packet = encodeIpv4(readdressed(syn.value, { from, to: remote }))
      return ends(router.handle(0, 'inside', packet)).from
    })
    const backs = outs.map((to) => {
      const packet = encodeIpv4(readdressed(syn.value, { from: remote, to }))
      return ends(router.handle(1, 'outside', packet)).to
    })

    assert.deepEqual(outs, [at(PUBLIC, 4000), at(PUBLIC, 4001)])
    assert.deepEqual(backs, hosts)
  })

  it('brings an ICMP error to the sender of the packet that it is about', () => {
    const router = translator()
    const error = decodeIpv4(captured.portUnreachable) // 10.0.0.1 says so of what 10.0.0.2:1000 sent
    assert.ok(error.ok)
    const host = at('192.168.1.2', 1000)
    const own = translator({ addresses: ['10.0.0.2'] })
    own.handle(0, 'inside', udp(host, at('10.0.0.1', 9)))

    const { packet } = passed(own.handle(1, 'outside', captured.portUnreachable))
    const message = decodeIcmp(packet)

    assert.equal(packet.destination, host.address)
    assert.ok(message.ok && message.value.kind === 'error')
    assert.deepEqual(message.value.about.from, host)
    assert.equal(router.handle(1, 'outside', captured.portUnreachable).kind, 'drop')
  })

  it('has no flows left after a reboot, and the new address', () => {
    const router = translator()
    router.handle(0, 'inside', udp(inside, remote))

    router.reboot(['198.51.100.7'])

    assert.equal(router.handle(1, 'outside', udp(remote, at(PUBLIC, 5000))).kind, 'drop')
    assert.equal(router.handle(1, 'outside', udp(remote, at('198.51.100.7', 5000))).kind, 'drop')
    assert.deepEqual(
      ends(router.handle(2, 'inside', udp(inside, remote))).from,
      at('198.51.100.7', 5000),
    )
  })

  it('blocks UDP but not TCP', () => {
    const router = translator()
    router.isBlockingUdp = true

    assert.equal(router.handle(0, 'inside', udp(inside, remote)).kind, 'drop')
    assert.equal(router.handle(0, 'inside', captured.tcp).kind, 'forward')
  })

  it('lets TCP out to one port alone where it is told so', () => {
    const tcp = decodeIpv4(captured.tcp)
    assert.ok(tcp.ok)
    const to = (port: number): Uint8Array =>
      encodeIpv4(readdressed(tcp.value, { from: at('192.168.1.2', 4000), to: { ...remote, port } }))
    const router = translator()
    router.onlyTcpPort = 443

    assert.equal(router.handle(0, 'inside', to(443)).kind, 'forward')
    assert.deepEqual(router.handle(0, 'inside', to(7443)), { kind: 'drop', why: 'tcp-blocked' })
  })

  for (const kind of ['port-restricted cone', 'firewall only'] as const) {
    it(`forgets a host as if it had never been spoken to: ${kind}`, () => {
      const router = new Translator(
        { addresses: [PUBLIC], ...routerKinds[kind] },
        new SeededRandom(1),
      )
      const outside = ends(router.handle(0, 'inside', udp(inside, remote))).from
      assert.equal(router.handle(1, 'outside', udp(remote, outside)).kind, 'forward')

      router.forgetRemotes(new Set([remote.address]))

      assert.equal(router.handle(2, 'outside', udp(remote, outside)).kind, 'drop')
    })
  }

  it('without a NAT is a firewall: no translation, and only answers come in', () => {
    const { firewall } = routerKinds['firewall only']
    const router = new Translator({ addresses: [], firewall }, new SeededRandom(1))

    assert.equal(router.handle(0, 'outside', udp(remote, inside)).kind, 'drop')
    assert.deepEqual(ends(router.handle(0, 'inside', udp(inside, remote))).from, inside)
    assert.deepEqual(ends(router.handle(1, 'outside', udp(remote, inside))).to, inside)
  })
})
