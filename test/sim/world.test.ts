import assert from 'node:assert/strict'
import { utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { after, type Instant } from '../../src/core/instant.ts'
import { type Machine, type SocketId, socketNamed, type Transmit } from '../../src/core/machine.ts'
import { OutboundQueue } from '../../src/core/outbound-queue.ts'
import { natKinds } from './nat-kinds.ts'
import { World } from './world.ts'

interface Heard {
  readonly text: string
  readonly at: Instant
  readonly via: SocketId | undefined
}

/** Says what it is told to say; can answer; wakes at intervals. */
class Parrot implements Machine<Heard> {
  isAnswering = false
  everyMs: number | undefined
  readonly wakes: number[] = []
  readonly lent: Uint8Array[] = []
  readonly #out = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<Heard>()
  #next: Instant | undefined

  say(to: Endpoint, text: string, options: { via?: SocketId; ttl?: number } = {}): void {
    this.#out.push({ to, bytes: Buffer.from(text), ...options })
  }

  wakeEvery(now: Instant, ms: number): void {
    this.everyMs = ms
    this.#next = after(now, ms)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.lent.push(bytes)
    const text = Buffer.from(bytes).toString()
    this.#events.push({ text, at: now, via })
    if (this.isAnswering) this.say(from, `re: ${text}`, via === undefined ? {} : { via })
  }

  handleTimeout(now: Instant): void {
    this.wakes.push(now)
    this.#next = after(now, this.everyMs ?? 0)
  }

  pollTransmit(): Transmit | undefined {
    return this.#out.shift()
  }

  pollEvent(): Heard | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#next
  }
}

const bobAt = (port: number): Endpoint => ({ family: 4, address: '203.0.113.9', port })

interface Pair {
  readonly world: World
  readonly alice: Parrot
  readonly bob: Parrot
  readonly heard: Heard[]
  readonly running: ReturnType<World['attach']>
  readonly hosts: {
    readonly alice: ReturnType<World['host']>
    readonly bob: ReturnType<World['host']>
  }
}

/** Alice behind a NAT, Bob on the internet on port 7000. */
function pair(): Pair {
  const world = new World(1)
  const home = world.router('home', { addresses: ['198.51.100.1'], nat: natKinds.linux })
  const hosts = {
    alice: world.host('alice', { behind: home, addresses: ['192.168.1.5'] }),
    bob: world.host('bob', { addresses: ['203.0.113.9'] }),
  }
  const [alice, bob] = [new Parrot(), new Parrot()]
  const heard: Heard[] = []
  bob.isAnswering = true
  world.attach(hosts.bob, bob, { port: 7000 })
  const running = world.attach(hosts.alice, alice, { port: 5000, onEvent: (e) => heard.push(e) })
  return { world, alice, bob, heard, running, hosts }
}

describe('World', () => {
  it('carries a question and its answer in exactly the time of the links', () => {
    const { world, alice, heard, running } = pair()

    running.change(() => alice.say(bobAt(7000), 'hello'))
    world.runFor(1000)

    assert.deepEqual(heard, [{ text: 're: hello', at: 40, via: undefined }])
  })

  it('overwrites lent bytes once the machine is drained', () => {
    const { world, alice, running } = pair()

    running.change(() => alice.say(bobAt(7000), 'hello'))
    world.runFor(1000)

    assert.deepEqual([...new Set(alice.lent[0])], [0xaa])
  })

  it('wakes a machine when it asks for it', () => {
    const { world, alice, running } = pair()

    running.change((now) => alice.wakeEvery(now, 250))
    world.runFor(1000)

    assert.deepEqual(alice.wakes, [250, 500, 750, 1000])
  })

  it('gives machines further sockets while they run', () => {
    const { world, alice, heard, running } = pair()
    const via = socketNamed('extra')

    running.addSocket(via, { port: 6000 })
    running.change(() => alice.say(bobAt(7000), 'from another port', { via }))
    world.runFor(100)
    running.removeSocket(via)
    running.change(() => alice.say(bobAt(7000), 'into nothing', { via }))
    world.runFor(100)

    assert.deepEqual(heard, [{ text: 're: from another port', at: 40, via }])
  })

  it('lets a low-TTL packet open the own NAT and die on the way', () => {
    const { world, alice, bob, heard, running } = pair()
    bob.isAnswering = false

    running.change(() => alice.say(bobAt(7000), 'opener', { ttl: 4 }))
    world.runFor(100)
    assert.deepEqual([bob.lent.length, world.trace.count('dropped:ttl')], [0, 1])
    const home = { family: 4, address: '198.51.100.1', port: 5000 } as const
    world
      .open(world.host('carol', { addresses: ['203.0.113.10'] }), {}, () => undefined)
      .send(home, Buffer.from('no'))
    world.runFor(100)

    assert.deepEqual(heard, [])
    assert.equal(world.trace.count('dropped:filtered'), 1)
  })

  it('sends through nested NATs, each costing a TTL', () => {
    const world = new World(1, { internetHops: 1 })
    const carrier = world.router('carrier', { addresses: ['198.51.100.1'], nat: natKinds.linux })
    const home = world.router('home', {
      behind: carrier,
      addresses: ['100.64.0.7'],
      nat: natKinds.linux,
    })
    const host = world.host('alice', { behind: home, addresses: ['192.168.1.5'] })
    const seen: string[] = []
    world.open(world.host('bob', { addresses: ['203.0.113.9'] }), { port: 7000 }, (from) =>
      seen.push(from.address),
    )
    const socket = world.open(host, {}, () => undefined)

    for (const ttl of [1, 2, 3, 4]) socket.send(bobAt(7000), Uint8Array.of(ttl), ttl)
    world.runFor(100)

    assert.deepEqual(seen, ['198.51.100.1'])
    assert.equal(world.trace.count('dropped:ttl'), 3)
  })

  it('routes IPv6 to hosts behind stateful firewalls, which let only answers in', () => {
    const world = new World(1)
    const home = world.router('home', { addresses: ['2001:db8:1::1'] })
    const alice = world.host('alice', { behind: home, addresses: ['2001:db8:1::5'] })
    const bob = world.host('bob', { addresses: ['2001:db8:2::9'] })
    const heard: string[] = []
    const [a, b] = [
      world.open(alice, { port: 1 }, (from) => heard.push(`alice from ${from.address}`)),
      world.open(bob, { port: 2 }, (from) => heard.push(`bob from ${from.address}`)),
    ]
    const at = (address: string, port: number): Endpoint => ({ family: 6, address, port })

    b.send(at('2001:db8:1::5', 1), Uint8Array.of(1))
    world.runFor(100)
    a.send(at('2001:db8:2::9', 2), Uint8Array.of(1))
    world.runFor(100)
    b.send(at('2001:db8:1::5', 1), Uint8Array.of(1))
    world.runFor(100)

    assert.deepEqual(heard, ['bob from 2001:db8:1::5', 'alice from 2001:db8:2::9'])
  })

  it('lets a suspended host miss what comes, and its clock stand still', () => {
    const { world, alice, heard, running, hosts } = pair()
    running.change((now) => alice.wakeEvery(now, 250))
    running.change(() => alice.say(bobAt(7000), 'hello'))

    world.runFor(30)
    world.suspend(hosts.alice)
    world.runFor(10_000)
    world.resume(hosts.alice)
    world.runFor(300)

    assert.deepEqual(heard, [])
    assert.deepEqual(alice.wakes, [250])
    assert.equal(hosts.alice.now, 330)
  })

  it('blocks what one host sends to another', () => {
    const { world, alice, heard, running, hosts } = pair()

    world.block(hosts.alice, hosts.bob)
    running.change(() => alice.say(bobAt(7000), 'lost'))
    world.runFor(100)
    world.unblock(hosts.alice, hosts.bob)
    running.change(() => alice.say(bobAt(7000), 'heard'))
    world.runFor(100)

    assert.deepEqual(
      heard.map(({ text }) => text),
      ['re: heard'],
    )
  })

  it('blocks what a host sends to a network before its NAT learns of it', () => {
    const world = new World(1)
    const home = world.router('home', { addresses: ['198.51.100.1'], nat: natKinds.portRestricted })
    const alice = world.host('alice', { addresses: ['192.0.2.1'] })
    const bob = world.host('bob', { behind: home, addresses: ['192.168.1.5'] })
    const heard: string[] = []
    const listen = (_: Endpoint, bytes: Uint8Array): void => {
      heard.push(Buffer.from(bytes).toString())
    }
    const ofAlice = world.open(alice, { port: 7000 }, () => undefined)
    const ofBob = world.open(bob, { port: 7000 }, listen)
    ofBob.send({ family: 4, address: '192.0.2.1', port: 7000 }, utf8('opens the way'))
    world.runFor(100)

    const lostAt: string[] = []
    world.tap((stage, _, where) => {
      if (stage === 'dropped') lostAt.push(where)
    })

    world.block(alice, home, false)
    ofAlice.send({ family: 4, address: '198.51.100.1', port: 7000 }, utf8('lost'))
    world.runFor(100)
    world.unblock(alice, home)
    ofAlice.send({ family: 4, address: '198.51.100.1', port: 7000 }, utf8('heard'))
    world.runFor(100)

    assert.deepEqual(heard, ['heard'])
    assert.deepEqual(lostAt, ['home'])
  })

  it('moves a host to another network, where its old address is no longer its own', () => {
    const { world, alice, bob, heard, running, hosts } = pair()
    const cafe = world.router('cafe', { addresses: ['198.51.100.2'], nat: natKinds.linux })

    world.move(hosts.alice, { behind: cafe, addresses: ['10.0.0.3'] })
    running.change(() => alice.say(bobAt(7000), 'from the cafe'))
    world.runFor(100)

    assert.equal(heard.length, 1)
    assert.equal(bob.lent.length, 1)
  })

  it('says so when a machine spins', () => {
    const { world, alice, running } = pair()

    running.change((now) => alice.wakeEvery(now, 0))

    assert.throws(() => world.runFor(1), /asks again and again to be woken at 0/)
  })

  it('is the same world again from the same seed', () => {
    const story = (seed: number): string => {
      const world = new World(seed)
      const lossy = { latencyMs: 20, jitterMs: 30, loss: 0.2 }
      const [a, b] = [
        world.host('a', { addresses: ['203.0.113.8'], link: lossy }),
        world.host('b', { addresses: ['203.0.113.9'], link: lossy }),
      ]
      world.open(b, { port: 7000 }, () => undefined)
      const socket = world.open(a, {}, () => undefined)
      for (let i = 0; i < 50; i++) socket.send(bobAt(7000), Uint8Array.of(i))
      world.runFor(1000)
      return world.trace.print()
    }

    assert.equal(story(1), story(1))
    assert.notEqual(story(1), story(2))
  })
})
