import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import type { Connection } from '../../src/reliable-udp/connection.ts'
import { encodeHandshakePacket } from '../../src/reliable-udp/handshake-packet.ts'
import {
  Multiplexer,
  type MultiplexerEvent,
  type MultiplexerOptions,
} from '../../src/reliable-udp/multiplexer.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { type Running, World } from '../sim/world.ts'

const SERVER: Endpoint = { family: 4, address: '192.0.2.1', port: 443 }
const resetKey = new Uint8Array(32).fill(5)

interface Party {
  readonly machine: Multiplexer
  readonly running: Running
  readonly events: MultiplexerEvent[]
}

function newMachine(
  world: World,
  name: string,
  more: Partial<MultiplexerOptions> = {},
): Multiplexer {
  const staticKey = staticKeyFromSeed(world.random.fork(`key of ${name}`).bytes(32))
  const common = {
    staticKey,
    random: world.random.fork(name),
    prologue: utf8(''),
    payload: utf8(name),
  }
  return new Multiplexer({ common: { ...common, resetKey }, ...more })
}

function party(
  world: World,
  name: string,
  address: string,
  more?: Partial<MultiplexerOptions>,
): Party {
  const machine = newMachine(world, name, more)
  const events: MultiplexerEvent[] = []
  const host = world.host(name, { addresses: [address] })
  const running = world.attach(host, machine, { port: 443, onEvent: (event) => events.push(event) })
  return { machine, running, events }
}

function server(world: World, more: Partial<MultiplexerOptions> = {}): Party {
  return party(world, 'server', SERVER.address, { accept: () => true, ...more })
}

function connectTo(client: Party, to: Endpoint): Connection {
  return client.running.change((now) => client.machine.connect(now, { path: { to } }))
}

function connectedCount({ events }: Party): number {
  return events.filter((e) => e.kind === 'connection' && e.event.kind === 'connected').length
}

function initial(random: SeededRandom): Uint8Array {
  return encodeHandshakePacket(
    {
      step: 'initial',
      pattern: 'XX',
      version: 1,
      destination: random.bytes(8),
      source: random.bytes(8),
      token: new Uint8Array(0),
      message: random.bytes(32),
    },
    1200,
  )
}

describe('Multiplexer', () => {
  it('lets an acknowledgement go as soon as the events are told, though nobody answers', () => {
    const world = new World(1)
    server(world)
    const client = party(world, 'client', '198.51.100.9')
    const connection = connectTo(client, SERVER)
    world.runFor(1000)
    client.running.change((now) =>
      client.machine.change(connection, () => {
        const stream = connection.openStream(now, { priority: 'control' })
        connection.write(now, stream, utf8('hello'))
      }),
    )

    world.runFor(39)
    assert.ok(connection.stats.bytesInFlight > 0)
    world.runFor(2) // 40 ms there and back
    assert.equal(connection.stats.bytesInFlight, 0)
  })

  it('holds many connections over one socket apart, and forgets those that end', () => {
    const world = new World(1)
    const host = server(world)
    const client = party(world, 'client', '198.51.100.9')
    const connections = Array.from({ length: 20 }, () => connectTo(client, SERVER))
    world.runFor(1000)
    assert.equal(connectedCount(host), 20)
    assert.equal(connectedCount(client), 20)

    connections.forEach((connection, index) => {
      client.running.change((now) =>
        client.machine.change(connection, () => connection.sendDatagram(now, Uint8Array.of(index))),
      )
    })
    world.runFor(1000)
    const said = host.events.flatMap((e) =>
      e.kind === 'connection' && e.event.kind === 'datagram' ? [e.event.bytes[0]] : [],
    )
    assert.deepEqual(
      said.sort((a = 0, b = 0) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    )

    client.running.change((now) => client.machine.closeAll(now, 7, 'enough'))
    world.runFor(10_000)
    for (const side of [host, client]) {
      const { connections: left, routes, halfOpen } = side.machine.stats
      assert.deepEqual([left, routes, halfOpen], [0, 0, 0])
      assert.equal(side.events.filter(({ kind }) => kind === 'forgotten').length, 20)
      assert.equal(side.machine.pollTimeout(), undefined)
    }
  })

  it('makes one connection of two that knock at each other', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new World(seed)
      const a = party(world, 'a', '198.51.100.9')
      const b = party(world, 'b', '198.51.100.10')
      connectTo(a, { family: 4, address: '198.51.100.10', port: 443 })
      connectTo(b, { family: 4, address: '198.51.100.9', port: 443 })
      world.runFor(3000)

      assert.deepEqual([connectedCount(a), connectedCount(b)], [1, 1])
      assert.deepEqual([a.machine.stats.connections, b.machine.stats.connections], [1, 1])
    }
  })

  it('lets two through their NATs who agreed on an id beforehand', () => {
    const world = new World(3)
    const home = (name: string, address: string): Party => {
      const router = world.router(`home of ${name}`, {
        addresses: [address],
        nat: natKinds.portRestricted,
      })
      const machine = newMachine(world, name)
      const events: MultiplexerEvent[] = []
      const host = world.host(name, { behind: router, addresses: ['192.168.1.2'] })
      const options = { port: 443, onEvent: (event: MultiplexerEvent) => events.push(event) }
      return { machine, running: world.attach(host, machine, options), events }
    }
    const [a, b] = [home('a', '198.51.100.9'), home('b', '198.51.100.10')]
    const initialId = new Uint8Array(8).fill(9)
    for (const [side, address] of [
      [a, '198.51.100.10'],
      [b, '198.51.100.9'],
    ] as const) {
      side.running.change((now) =>
        side.machine.connect(now, { path: { to: { family: 4, address, port: 443 } }, initialId }),
      )
    }
    world.runFor(5000)

    assert.deepEqual([connectedCount(a), connectedCount(b)], [1, 1])
  })

  it('lets nobody in where nobody is to come in, or is not accepted', () => {
    for (const accept of [undefined, () => false]) {
      const world = new World(1)
      const host = party(world, 'server', SERVER.address, accept === undefined ? {} : { accept })
      const client = party(world, 'client', '198.51.100.9')
      connectTo(client, SERVER)
      world.runFor(20_000)

      assert.equal(connectedCount(host), 0)
      assert.equal(host.machine.stats.connections, 0)
      const last = client.events.findLast((e) => e.kind === 'connection')
      assert.ok(last?.event.kind === 'closed' && last.event.reason === 'handshake-failed')
    }
  })

  it('strangers who knock fill a bounded place, are asked for proof, and keep nobody out', () => {
    const world = new World(1)
    const host = server(world)
    const random = new SeededRandom(2)
    const flood = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const address = `203.0.113.${i % 250}`
        host.running.change((now) =>
          host.machine.handleDatagram(now, { family: 4, address, port: 1000 + i }, initial(random)),
        )
      }
    }
    flood(5000)
    const { halfOpen, routes, retriesSent } = host.machine.stats
    assert.equal(halfOpen, 32)
    assert.ok(routes <= 32 * 8)
    assert.equal(retriesSent, 4968)

    const client = party(world, 'client', '198.51.100.9')
    connectTo(client, SERVER)
    for (let i = 0; i < 50; i++) {
      world.runFor(10)
      flood(20)
    }
    assert.equal(connectedCount(client), 1)
    world.runFor(20_000)
    assert.deepEqual([host.machine.stats.halfOpen, host.machine.stats.connections], [0, 1])
  })

  it('one address has sixteen half-open connections at most', () => {
    const world = new World(1)
    const host = server(world)
    const random = new SeededRandom(2)
    for (let i = 0; i < 30; i++) {
      const from = { family: 4, address: '203.0.113.1', port: 1000 + i } as const
      host.running.change((now) => host.machine.handleDatagram(now, from, initial(random)))
    }

    assert.equal(host.machine.stats.halfOpen, 16)
    assert.equal(host.machine.stats.dropped, 14)
  })

  it('a restarted side ends the other’s connections at once', () => {
    const world = new World(1)
    const host = world.host('server', { addresses: [SERVER.address] })
    const options = { accept: () => true }
    const first = world.attach(host, newMachine(world, 'server', options), { port: 443 })
    const client = party(world, 'client', '198.51.100.9')
    const connection = connectTo(client, SERVER)
    world.runFor(1000)
    assert.equal(connectedCount(client), 1)
    first.stop()
    const reborn = newMachine(world, 'server', options)
    world.attach(host, reborn, { port: 443 })
    client.running.change((now) =>
      client.machine.change(connection, () => connection.sendDatagram(now, utf8('x'))),
    )
    world.runFor(100)

    const last = client.events.findLast((e) => e.kind === 'connection')
    assert.ok(last?.event.kind === 'closed' && last.event.reason === 'reset')
    assert.equal(reborn.stats.resetsSent, 1)
    assert.equal(client.machine.stats.connections, 0)
  })

  it('two who both forgot say one word each, and no storm makes them say many', () => {
    const world = new World(1)
    const a = server(world)
    const stray = new Uint8Array(1200).fill(0x50)
    stray[9] = 1200 >> 8
    stray[10] = 1200 & 0xff
    const sent: number[] = []
    const b = newMachine(world, 'b')
    const from = { family: 4, address: '203.0.113.1', port: 1 } as const
    const now = a.running.change((at) => at)
    const answersOf = (machine: Multiplexer, bytes: Uint8Array): Uint8Array[] => {
      machine.handleDatagram(now, from, bytes)
      const answers: Uint8Array[] = []
      for (let t = machine.pollTransmit(); t !== undefined; t = machine.pollTransmit()) {
        answers.push(t.bytes)
      }
      return answers
    }
    const [reset] = answersOf(b, stray)
    assert.equal(reset?.length, 31)
    assert.deepEqual(answersOf(newMachine(world, 'c'), reset), [])
    for (let i = 0; i < 1000; i++) sent.push(answersOf(b, stray).length)
    assert.equal(
      sent.reduce((sum, count) => sum + count, 0),
      63,
    )
  })
})
