/** natprobe against servers that are less than ours, or lie. */
import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { Instant } from '../../src/core/instant.ts'
import type { Machine, Transmit } from '../../src/core/machine.ts'
import { OutboundQueue } from '../../src/core/outbound-queue.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import type { WritableAttribute } from '../../src/stun/message.ts'
import type { Host } from '../sim/host.ts'
import type { NatBehaviour } from '../sim/nat.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { simulate } from '../sim/simulate.ts'
import type { World } from '../sim/world.ts'
import { literal, runProbe, stunServer } from './probe-world.ts'

const ports = { kind: 'random' } as const

function hostBehind(world: World, nat: NatBehaviour): Host {
  const home = world.router('home', { addresses: ['198.51.100.1'], nat: { ...nat, ports } })
  return world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
}

/** Answers every question from where it was asked, with whatever it is told to say besides. */
class SimpleServer implements Machine<never> {
  readonly #extra: readonly WritableAttribute[]
  readonly #out = new OutboundQueue<Transmit>()

  constructor(...extra: readonly WritableAttribute[]) {
    this.#extra = extra
  }

  handleDatagram(_now: Instant, from: Endpoint, bytes: Uint8Array): void {
    const request = decodeStun(bytes)
    if (!request.ok) return
    const mapped = { kind: 'xor-mapped-address', endpoint: from } as const
    const attributes = [mapped, ...this.#extra]
    const answer = encodeStun({ ...request.value, messageClass: 'success', attributes })
    this.#out.push({ to: from, bytes: answer })
  }

  handleTimeout(): void {
    // Nothing waits.
  }

  pollTransmit(): Transmit | undefined {
    return this.#out.shift()
  }

  pollEvent(): undefined {
    return undefined
  }

  pollTimeout(): undefined {
    return undefined
  }
}

function simpleServer(
  world: World,
  address: string,
  ...extra: readonly WritableAttribute[]
): Endpoint {
  const host = world.host(address, { addresses: [address] })
  world.attach(host, new SimpleServer(...extra), { port: 3478 })
  return literal(address, 3478)
}

describe('natprobe, with one server address', () => {
  it('says of a NAT only what two ports show', () => {
    const mappingOf = (nat: NatBehaviour): unknown => {
      let value: unknown
      simulate(1, (world) => {
        const server = stunServer(world, { addresses: ['203.0.113.1'] })
        const both = [server, { ...server, port: 3479 }]
        const { result } = runProbe(world, hostBehind(world, nat), both)
        assert.equal(result.filtering, undefined)
        value = result.mapping.mapping.value
      })
      return value
    }

    assert.equal(mappingOf(natKinds.fullCone), 'eim-or-adm')
    assert.equal(mappingOf({ ...natKinds.fullCone, mapping: 'address-dependent' }), 'eim-or-adm')
    assert.equal(mappingOf(natKinds.symmetricRandom), 'address-and-port-dependent')
  })
})

describe('natprobe, with plain servers', () => {
  const addresses = ['203.0.113.1', '203.0.113.2', '203.0.113.3']

  it('needs three that answer', () => {
    simulate(1, (world) => {
      const host = hostBehind(world, natKinds.portRestricted)
      const servers = addresses.map((address) => simpleServer(world, address))
      const silent = literal('203.0.113.99', 3478)
      const mapping = (...asked: readonly Endpoint[]): string =>
        runProbe(world, host, asked).result.mapping.mapping.value

      assert.equal(mapping(...servers.slice(0, 2), silent), 'unknown')
      assert.equal(mapping(...servers, silent), 'endpoint-independent')
    })
  })

  it('finds that a mapping depends on the destination', () => {
    simulate(1, (world) => {
      const host = hostBehind(world, natKinds.symmetricRandom)
      const servers = addresses.map((address) => simpleServer(world, address))
      const { mapping } = runProbe(world, host, servers).result.mapping

      assert.equal(mapping.value, 'address-and-port-dependent')
      assert.equal(mapping.confidence, 0.6)
    })
  })

  it('finds the one with two addresses wherever it stands in the list, and does not wait for the dead', () => {
    simulate(1, (world) => {
      const host = hostBehind(world, natKinds.restrictedCone)
      const plain = simpleServer(world, '203.0.113.7')
      const servers = [literal('203.0.113.99', 3478), plain, stunServer(world)]
      const { result, tookMs } = runProbe(world, host, servers)

      assert.equal(result.mapping.mapping.value, 'endpoint-independent')
      assert.equal(result.filtering?.value, 'address-dependent')
      assert.ok(tookMs <= 1500, `${tookMs} ms`)
    })
  })
})

describe('natprobe, with servers that cannot do what they say', () => {
  const other = literal('203.0.113.2', 3479)
  const names = { kind: 'other-address', endpoint: other } as const

  function probeWith(
    nat: NatBehaviour,
    prepare: (world: World) => Endpoint,
  ): { readonly mapping: string; readonly filtering: string; readonly notes: readonly string[] } {
    let found: ReturnType<typeof probeWith> | undefined
    simulate(1, (world) => {
      const server = prepare(world)
      const { mapping, filtering } = runProbe(world, hostBehind(world, nat), [server]).result
      found = {
        mapping: mapping.mapping.value,
        filtering: filtering?.value ?? 'untested',
        notes: filtering?.notes ?? [],
      }
    })
    assert.ok(found !== undefined)
    return found
  }

  it('does not take a server that ignores CHANGE-REQUEST for a filter', () => {
    const { filtering, notes } = probeWith(natKinds.fullCone, (world) =>
      simpleServer(world, '203.0.113.1', names),
    )

    assert.equal(filtering, 'unknown')
    assert.deepEqual(notes, ['the server does not answer from where CHANGE-REQUEST says'])
  })

  it('does not take a server whose other address is dead for a filter', () => {
    const { filtering, notes } = probeWith(natKinds.fullCone, (world) =>
      stunServer(world, { deadAddress: '203.0.113.2' }),
    )

    assert.equal(filtering, 'unknown')
    assert.deepEqual(notes, ['the server does not answer at its other address'])
  })

  it('does not believe an OTHER-ADDRESS that is private, or the same address', () => {
    for (const told of [literal('10.0.0.2', 3479), literal('203.0.113.1', 3479)]) {
      const { mapping, filtering } = probeWith(natKinds.fullCone, (world) =>
        simpleServer(world, '203.0.113.1', { kind: 'other-address', endpoint: told }),
      )
      assert.deepEqual([mapping, filtering], ['unknown', 'untested'])
    }
  })

  it('says unknown where a router blocks whoever sent something unsolicited', () => {
    const nat = { ...natKinds.portRestricted, blocksUnsolicitedMs: 60_000 }
    const { mapping, filtering, notes } = probeWith(nat, (world) => stunServer(world))

    assert.deepEqual([mapping, filtering], ['endpoint-independent', 'unknown'])
    assert.match(notes.join(), /no longer answered a plain question after the test/)
  })

  it('finds an ALG that rewrites addresses inside packets', () => {
    simulate(1, (world) => {
      const rewritten = {
        kind: 'mapped-address',
        endpoint: literal('192.168.1.5', 40_000),
      } as const
      const server = simpleServer(world, '203.0.113.1', rewritten)
      const { result } = runProbe(world, hostBehind(world, natKinds.fullCone), [server])
      assert.equal(result.mapping.rewritesPayload, true)
    })
  })
})
