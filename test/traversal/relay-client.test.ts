import assert from 'node:assert/strict'
import { instant } from '../../src/core/instant.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import { Relay } from '../../src/server/relay.ts'
import { RelayTickets } from '../../src/server/relay-tickets.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import { relaySocket } from '../../src/traversal/path.ts'
import { RelayClient, type RelayEvent } from '../../src/traversal/relay-client.ts'
import type { Host } from '../sim/host.ts'
import { natKinds } from '../sim/nat-kinds.ts'
import type { Router } from '../sim/router.ts'
import { simulate } from '../sim/simulate.ts'
import type { Running, World } from '../sim/world.ts'
import { at } from './puppet.ts'

const RELAY = at('203.0.113.1', 3480)
const SESSION = new Uint8Array(16).fill(9)
const identities = [1, 2, 3].map((byte) => identityFromSeed(new Uint8Array(32).fill(byte)))
const [alice, bob, server] = identities

interface End {
  readonly client: RelayClient
  readonly running: Running
  readonly events: string[]
  readonly router: Router
}

interface Scene {
  readonly world: World
  readonly relayHost: Host
  readonly relay: Running
  readonly startRelay: () => Running
  readonly ends: readonly [End, End]
}

function told(event: RelayEvent): string {
  switch (event.kind) {
    case 'bound':
      return 'bound'
    case 'unbound':
      return `unbound: ${event.why}`
    case 'refused':
      return `refused: ${event.reason}`
    case 'datagram':
      return Buffer.from(event.bytes).toString()
  }
}

function scene(body: (scene: Scene) => void, ticketOf = (ticket: Uint8Array) => ticket): void {
  assert.ok(alice !== undefined && bob !== undefined && server !== undefined)
  simulate(1, (world) => {
    const relayHost = world.host('relay', { addresses: [RELAY.address] })
    const time = new ServerTime({ now: () => instant(0), wallNow: () => 1_700_000_000_000 })
    const { random } = relayHost
    const relayId = random.bytes(8)
    const startRelay = (): Running => {
      const cookieSecret = random.bytes(32)
      const options = { relayId, ticketKeys: [server.publicKey], cookieSecret, random, time }
      return world.attach(relayHost, new Relay(options), RELAY)
    }
    const relay = startRelay()
    const tickets = new RelayTickets({ signer: server, relayId, time })
    const ticket = ticketOf(tickets.issue(instant(0), SESSION, alice.publicKey, bob.publicKey))
    const end = (name: string, identity: typeof alice, address: string): End => {
      const router = world.router(`${name}'s router`, { addresses: [address], nat: natKinds.linux })
      const host = world.host(name, { behind: router, addresses: ['192.168.1.5'] })
      const client = new RelayClient({ relay: RELAY, ticket, identity, random: host.random })
      const events: string[] = []
      const running = world.attach(host, client, {
        port: 5000,
        onEvent: (event) => events.push(told(event)),
      })
      return { client, running, events, router }
    }
    const ends = [end('alice', alice, '198.51.100.1'), end('bob', bob, '192.0.2.1')] as const
    body({ world, relayHost, relay, startRelay, ends })
  })
}

function start({ world, ends }: Scene): void {
  for (const { running, client } of ends) running.change((now) => client.start(now))
  world.runFor(100)
}

describe('RelayClient', () => {
  it('is bound after two round trips and carries datagrams both ways', () => {
    scene((it) => {
      const [a, b] = it.ends
      start(it)

      assert.deepEqual(a.events, ['bound'])
      assert.equal(a.client.rttMs, 40)
      assert.notEqual(a.client.channel, b.client.channel)
      a.running.change(() => a.client.send(Buffer.from('ping')))
      b.running.change(() => b.client.send(Buffer.from('pong')))
      it.world.runFor(100)

      assert.deepEqual([a.events.at(-1), b.events.at(-1)], ['pong', 'ping'])
    })
  })

  it('cannot send before it is bound', () => {
    scene(({ ends: [a] }) => {
      assert.equal(a.client.send(Buffer.from('early')), false)
      assert.equal(a.client.channel, undefined)
    })
  })

  it('binds through heavy loss', () => {
    scene((it) => {
      for (const { router } of it.ends) router.outside.up.conditions = { latencyMs: 10, loss: 0.5 }
      start(it)
      it.world.runFor(20_000)

      assert.deepEqual(
        it.ends.map(({ events }) => events[0]),
        ['bound', 'bound'],
      )
    })
  })

  it('pings every 15 s, which keeps the channel for hours', () => {
    scene((it) => {
      start(it)
      const before = it.world.trace.count('sent')
      it.world.runFor(3_600_000)

      assert.deepEqual(it.ends[0].events, ['bound'])
      const anHour = it.world.trace.count('sent') - before
      assert.ok(Math.abs(anHour - (4 * 3600) / 15) <= 8, `${anHour} frames`)
    })
  })

  it('binds again when the relay was restarted', () => {
    scene((it) => {
      const [a, b] = it.ends
      start(it)
      it.relay.stop()
      it.startRelay()

      a.running.change(() => a.client.send(Buffer.from('lost')))
      it.world.runFor(20_000)
      a.running.change(() => a.client.send(Buffer.from('heard')))
      it.world.runFor(100)

      assert.deepEqual(a.events, ['bound', 'unbound: unknown-channel', 'bound'])
      assert.equal(b.events.at(-1), 'heard')
    })
  })

  it('binds again when its NAT gave it another port', () => {
    scene((it) => {
      const [a, b] = it.ends
      start(it)
      a.router.reboot(['198.51.100.77'])

      b.running.change(() => b.client.send(Buffer.from('lost')))
      it.world.runFor(16_000)
      b.running.change(() => b.client.send(Buffer.from('heard')))
      it.world.runFor(100)

      assert.deepEqual(a.events, ['bound', 'unbound: unknown-channel', 'bound', 'heard'])
    })
  })

  it('says that the relay is silent, and goes on trying', () => {
    scene((it) => {
      const [a] = it.ends
      start(it)
      it.relay.stop()
      it.world.runFor(120_000)
      assert.deepEqual(a.events, ['bound', 'unbound: silent'])

      it.startRelay()
      it.world.runFor(10_000)

      assert.deepEqual(a.events.at(-1), 'bound')
    })
  })

  it('gives up with a ticket that is refused', () => {
    const spoiled = (ticket: Uint8Array): Uint8Array => {
      const copy = Uint8Array.from(ticket)
      copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
      return copy
    }
    scene((it) => {
      start(it)
      const before = it.world.trace.count('sent')
      it.world.runFor(60_000)

      assert.deepEqual(it.ends[0].events, ['refused: ticket-forged'])
      assert.equal(it.world.trace.count('sent'), before)
    }, spoiled)
  })

  it('takes frames from the relay alone, and only those that repeat its nonce or channel', () => {
    scene((it) => {
      const [a] = it.ends
      const { random } = it.world
      a.running.change((now) => {
        a.client.start(now)
        for (let type = 0; type < 16; type++) {
          const frame = Buffer.concat([Uint8Array.of(0x80 | type), random.bytes(60)])
          a.client.handleDatagram(now, RELAY, frame)
          a.client.handleDatagram(now, at('192.0.2.66'), frame)
          a.client.handleDatagram(now, RELAY, frame.subarray(0, 5))
        }
      })

      assert.deepEqual(a.events, [])
      assert.equal(a.client.ignored, 48)
      it.world.runFor(100)
      assert.deepEqual(a.events, ['bound'])
    })
  })

  it('says nothing more once it is stopped', () => {
    scene((it) => {
      const [a] = it.ends
      start(it)
      a.running.change(() => a.client.stop())
      const before = it.world.trace.count('sent')
      it.world.runFor(14_000)

      assert.equal(it.world.trace.count('sent'), before)
    })
  })
})

describe('relaySocket()', () => {
  it('names the session', () => {
    assert.equal(relaySocket(SESSION), `relay:${'09'.repeat(16)}`)
  })
})
