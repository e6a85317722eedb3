import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, utf8 } from '../../src/core/bytes.ts'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { after, type Instant } from '../../src/core/instant.ts'
import { socketNamed, type Transmit } from '../../src/core/machine.ts'
import { relayBindStatement } from '../../src/crypto/device-statement.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { identityFromSeed } from '../../src/crypto/identity.ts'
import {
  type ChannelId,
  channelOf,
  dataPayload,
  decodeRelayFrame,
  encodeData,
  encodeRelayFrame,
  type RelayFrame,
} from '../../src/protocol/relay/frames.ts'
import {
  encodeTicket,
  encodeTicketBody,
  type RelayTicket,
  ticketSignatureInput,
} from '../../src/protocol/relay/ticket.ts'
import { MAX_SESSIONS_PER_DEVICE, Relay } from '../../src/server/relay.ts'
import { ServerTime } from '../../src/server/server-time.ts'
import type { BucketLimits } from '../../src/stun/prefix-buckets.ts'
import { ManualTime } from './support/manual-time.ts'
import { testDevice } from './support/test-device.ts'
import { at, countingRandom, RELAY_ID } from './support/test-server.ts'

const ALICE = testDevice('alice')
const BOB = testDevice('bob')
const MALLORY = testDevice('mallory')
const SERVER = identityFromSeed(sha256(utf8('ticket key')))
const NO_COOKIE = new Uint8Array(16)
const HOME_A = at('192.0.2.10:4000')
const HOME_B = at('203.0.113.20:5000')

/** One relay, and everybody who writes to it. */
class World {
  readonly time = new ManualTime()
  readonly relay: Relay
  now: Instant

  constructor(bindRate?: BucketLimits) {
    this.now = this.time.now()
    this.relay = new Relay({
      relayId: RELAY_ID,
      ticketKeys: [SERVER.publicKey],
      cookieSecret: sha256(utf8('cookie secret')),
      random: countingRandom(),
      time: new ServerTime(this.time),
      ...(bindRate === undefined ? {} : { bindRate }),
    })
  }

  ticket(change: Partial<RelayTicket> = {}, signer = SERVER): Uint8Array {
    const body = encodeTicketBody({
      relayId: RELAY_ID,
      session: new Uint8Array(16).fill(1),
      identityA: ALICE.keys.identity,
      identityB: BOB.keys.identity,
      expiresAtMs: this.time.wallNow() + (this.now - this.time.now()) + 600_000,
      quotaBytes: 100_000,
      ...change,
    })
    return encodeTicket(body, signer.sign(ticketSignatureInput(body)))
  }

  send(from: Endpoint, bytes: Uint8Array, via?: string): Transmit[] {
    this.relay.handleDatagram(
      this.now,
      from,
      bytes,
      via === undefined ? undefined : socketNamed(via),
    )
    return this.#drain()
  }

  /** Answers to one frame; every one of them must go where the frame came from. */
  ask(from: Endpoint, frame: RelayFrame): RelayFrame | undefined {
    const request = encodeRelayFrame(frame)
    const [answer, ...more] = this.send(from, request)
    assert.deepEqual(more, [])
    if (answer === undefined) return undefined
    assert.deepEqual(answer.to, from)
    assert.ok(answer.bytes.length <= request.length)
    const decoded = decodeRelayFrame(answer.bytes)
    assert.ok(decoded.ok)
    return decoded.value
  }

  pass(ms: number): void {
    const end = after(this.now, ms)
    for (let due = this.relay.pollTimeout(); due !== undefined && due <= end;) {
      this.now = due
      this.relay.handleTimeout(due)
      assert.deepEqual(this.#drain(), [])
      due = this.relay.pollTimeout()
    }
    this.now = end
  }

  cookie(from: Endpoint): Uint8Array {
    const answer = this.ask(from, this.bind(ALICE, { cookie: NO_COOKIE }))
    assert.equal(answer?.kind, 'cookie')
    return answer.cookie
  }

  bind(
    device: typeof ALICE,
    { cookie, ticket = this.ticket() }: { cookie: Uint8Array; ticket?: Uint8Array },
  ): RelayFrame {
    const nonce = new Uint8Array(8).fill(7)
    const signature = device.identity.sign(relayBindStatement(nonce, cookie, ticket))
    return { kind: 'bind', nonce, cookie, ticket, signature }
  }

  /** The whole way to a channel. */
  bound(device: typeof ALICE, from: Endpoint, ticket?: Uint8Array): ChannelId {
    const cookie = this.cookie(from)
    const answer = this.ask(from, this.bind(device, { cookie, ...(ticket && { ticket }) }))
    assert.equal(answer?.kind, 'bound', answer?.kind === 'refused' ? answer.reason : answer?.kind)
    return answer.channel
  }

  refusal(device: typeof ALICE, ticket: Uint8Array, from = HOME_A): string | undefined {
    const answer = this.ask(from, this.bind(device, { cookie: this.cookie(from), ticket }))
    return answer?.kind === 'refused' ? answer.reason : answer?.kind
  }

  #drain(): Transmit[] {
    const sent: Transmit[] = []
    for (let next = this.relay.pollTransmit(); next; next = this.relay.pollTransmit()) {
      sent.push(next)
    }
    return sent
  }
}

describe('Relay', () => {
  it('passes data between the two sides of a session, each under its own channel', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)
    const ofBob = world.bound(BOB, HOME_B)

    const [toBob] = world.send(HOME_A, encodeData(ofAlice, utf8('hello')))
    const [toAlice] = world.send(HOME_B, encodeData(ofBob, utf8('hi')))

    assert.ok(toBob !== undefined && toAlice !== undefined)
    assert.deepEqual(toBob.to, HOME_B)
    assert.deepEqual(decodeRelayFrame(toBob.bytes), {
      ok: true,
      value: { kind: 'data', channel: ofBob, payload: Buffer.from('hello') },
    })
    assert.deepEqual(toAlice.to, HOME_A)
    assert.deepEqual(Buffer.from(dataPayload(toAlice.bytes)).toString(), 'hi')
    assert.equal(world.relay.stats.forwarded, 2)
    assert.equal(world.relay.stats.forwardedBytes, 7)
  })

  it('leaves the datagram that it was lent as it was', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)
    world.bound(BOB, HOME_B)
    const datagram = encodeData(ofAlice, utf8('hello'))
    const before = Buffer.from(datagram)

    world.send(HOME_A, datagram)

    assert.deepEqual(Buffer.from(datagram), before)
  })

  it('answers on the socket that was asked, and forwards on the one that was bound', () => {
    const world = new World()
    const bind = (device: typeof ALICE, from: Endpoint, via: string): ChannelId => {
      const frame = (cookie: Uint8Array) => encodeRelayFrame(world.bind(device, { cookie }))
      const [first] = world.send(from, frame(NO_COOKIE), via)
      assert.equal(first?.via, via)
      const cookie = decodeRelayFrame(first.bytes)
      assert.ok(cookie.ok && cookie.value.kind === 'cookie')
      const [second] = world.send(from, frame(cookie.value.cookie), via)
      const bound = decodeRelayFrame(second?.bytes ?? NO_COOKIE)
      assert.ok(bound.ok && bound.value.kind === 'bound')
      return bound.value.channel
    }
    const ofAlice = bind(ALICE, HOME_A, 'one')
    bind(BOB, HOME_B, 'two')

    const [forwarded] = world.send(HOME_A, encodeData(ofAlice, utf8('x')), 'one')
    const [elsewhere] = world.send(HOME_A, encodeData(ofAlice, utf8('x')), 'two')

    assert.equal(forwarded?.via, 'two')
    assert.deepEqual(elsewhere?.to, HOME_A)
  })

  it('keeps nothing for who has no cookie, and sends it less than it sent', () => {
    const world = new World()

    for (let port = 1; port < 1000; port++) {
      const from = at(`198.51.100.7:${port}`)
      world.ask(from, world.bind(MALLORY, { cookie: NO_COOKIE }))
    }

    assert.equal(world.relay.stats.sessions, 0)
    assert.equal(world.relay.pollTimeout(), undefined)
  })

  it('takes a cookie only from the address it went to, and for two minutes', () => {
    const world = new World()
    const cookie = world.cookie(HOME_A)
    const frame = world.bind(ALICE, { cookie })

    assert.equal(world.ask(HOME_B, frame)?.kind, 'cookie')
    assert.equal(world.ask({ ...HOME_A, port: 4001 }, frame)?.kind, 'cookie')
    world.pass(120_001)
    assert.equal(world.ask(HOME_A, frame)?.kind, 'cookie')
    assert.equal(world.relay.stats.channels, 0)
  })

  it('refuses forged, foreign, expired and malformed tickets', () => {
    const world = new World()
    const flipped = Buffer.from(world.ticket())
    flipped[40] = (flipped[40] ?? 0) ^ 1
    const wrongVersion = Buffer.from(world.ticket())
    wrongVersion[0] = 9

    assert.equal(world.refusal(ALICE, world.ticket({}, MALLORY.identity)), 'ticket-forged')
    assert.equal(world.refusal(ALICE, flipped), 'ticket-forged')
    assert.equal(world.refusal(ALICE, wrongVersion), 'ticket-malformed')
    assert.equal(world.refusal(ALICE, world.ticket({ relayId: new Uint8Array(8) })), 'wrong-relay')
    const expired = world.ticket({ expiresAtMs: world.time.wallNow() })
    assert.equal(world.refusal(ALICE, expired), 'ticket-expired')
    assert.equal(world.relay.stats.sessions, 0)
  })

  it('refuses everybody whom the ticket does not name', () => {
    const world = new World()

    assert.equal(world.refusal(MALLORY, world.ticket()), 'signature-invalid')
    assert.equal(world.relay.stats.sessions, 0)
  })

  it('refuses a signature over another cookie or nonce', () => {
    const world = new World()
    const cookie = world.cookie(HOME_A)
    const frame = world.bind(ALICE, { cookie })
    assert.ok(frame.kind === 'bind')

    const answer = world.ask(HOME_A, { ...frame, nonce: new Uint8Array(8).fill(8) })

    assert.equal(answer?.kind === 'refused' && answer.reason, 'signature-invalid')
  })

  it('lets a ticket expire without ending the channels that it bound', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)
    const ofBob = world.bound(BOB, HOME_B)

    for (let minute = 0; minute < 20; minute++) {
      world.pass(30_000)
      assert.equal(world.send(HOME_A, encodeData(ofAlice, utf8('still here'))).length, 1)
      assert.equal(world.send(HOME_B, encodeData(ofBob, utf8('me too'))).length, 1)
    }

    assert.equal(world.relay.stats.channels, 2)
  })

  it('repeats BOUND when it was lost, and moves the channel of a moved device', () => {
    const world = new World()
    const cookie = world.cookie(HOME_A)
    const frame = world.bind(ALICE, { cookie })
    const first = world.ask(HOME_A, frame)
    const again = world.ask(HOME_A, frame)
    const ofBob = world.bound(BOB, HOME_B)
    const moved = at('192.0.2.99:7777')

    world.pass(1_000)
    const channel = world.bound(ALICE, moved)
    const [toAlice] = world.send(HOME_B, encodeData(ofBob, utf8('x')))

    assert.deepEqual(again, first)
    assert.equal(first?.kind === 'bound' && first.channel, channel)
    assert.deepEqual(toAlice?.to, moved)
    assert.equal(world.relay.stats.channels, 2)
    const [answer] = world.send(HOME_A, encodeData(channel, utf8('x')))
    assert.deepEqual(answer?.to, HOME_A)
    assert.equal(world.relay.stats.dropped['wrong-address'], 1)
  })

  it('does not let a recorded BIND bring an old address back', () => {
    const world = new World()
    const recorded = world.bind(ALICE, { cookie: world.cookie(HOME_A) })
    world.ask(HOME_A, recorded)
    const ofBob = world.bound(BOB, HOME_B)
    const moved = at('192.0.2.99:7777')
    world.pass(1_000)
    world.bound(ALICE, moved)

    const replayed = world.ask(HOME_A, recorded)
    const [toAlice] = world.send(HOME_B, encodeData(ofBob, utf8('x')))

    assert.equal(replayed?.kind, 'cookie', 'whoever is there now may bind by a fresh one')
    assert.deepEqual(toAlice?.to, moved)
  })

  it('takes nothing from another address than the channel is bound to', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)
    world.bound(BOB, HOME_B)
    const thief = at('198.51.100.66:1')

    const [data] = world.send(thief, encodeData(ofAlice, utf8('stolen')))
    const ping = world.ask(thief, { kind: 'ping', channel: ofAlice, nonce: new Uint8Array(8) })

    assert.deepEqual(data?.to, thief)
    assert.equal(ping?.kind, 'unknown-channel')
    assert.equal(world.relay.stats.forwarded, 0)
    assert.equal(world.relay.stats.dropped['wrong-address'], 2)
  })

  it('answers an unknown channel with less than it was sent', () => {
    const world = new World()
    const channel = channelOf(new Uint8Array(8).fill(9))

    for (const datagram of [
      encodeData(channel, new Uint8Array(0)),
      encodeData(channel, new Uint8Array(1200)),
      encodeRelayFrame({ kind: 'ping', channel, nonce: new Uint8Array(8) }),
    ]) {
      const [answer, ...more] = world.send(HOME_A, datagram)

      assert.ok(answer !== undefined && answer.bytes.length <= datagram.length)
      assert.deepEqual(answer.to, HOME_A)
      assert.deepEqual(more, [])
    }
  })

  it('says nothing to what only a relay says, so that two relays never talk', () => {
    const world = new World()
    const channel = channelOf(new Uint8Array(8))
    const nonce = new Uint8Array(8)

    for (const frame of [
      { kind: 'cookie', nonce, cookie: new Uint8Array(16) },
      { kind: 'bound', nonce, channel, lifetimeSeconds: 60 },
      { kind: 'refused', nonce, reason: 'busy' },
      { kind: 'pong', channel, nonce },
      { kind: 'unknown-channel', channel },
    ] as const) {
      assert.equal(world.ask(HOME_A, frame), undefined)
    }
  })

  it('drops data for a side that is not bound', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)

    assert.deepEqual(world.send(HOME_A, encodeData(ofAlice, utf8('x'))), [])
    assert.equal(world.relay.stats.dropped['peer-absent'], 1)
  })

  it('keeps two pairs apart that use the same session id', () => {
    const world = new World()
    world.bound(ALICE, HOME_A)
    world.bound(BOB, HOME_B)
    const carol = testDevice('carol')
    const theirs = world.ticket({
      identityA: MALLORY.keys.identity,
      identityB: carol.keys.identity,
    })
    const ofMallory = world.bound(MALLORY, at('198.51.100.66:1'), theirs)

    assert.deepEqual(world.send(at('198.51.100.66:1'), encodeData(ofMallory, utf8('x'))), [])
  })

  it('closes a channel 60 s after the last frame of its owner', () => {
    const world = new World()
    const ofAlice = world.bound(ALICE, HOME_A)
    const ofBob = world.bound(BOB, HOME_B)
    const ping = { kind: 'ping', channel: ofAlice, nonce: new Uint8Array(8).fill(3) } as const

    for (let count = 0; count < 4; count++) {
      world.pass(20_000)
      assert.deepEqual(world.ask(HOME_A, ping), { ...ping, kind: 'pong' })
    }

    assert.equal(world.relay.stats.channels, 1)
    const [answer] = world.send(HOME_B, encodeData(ofBob, utf8('x')))
    assert.deepEqual(answer?.to, HOME_B)
    assert.equal(world.relay.stats.forwarded, 0)
  })

  it('forgets a session when nobody is bound and its ticket has expired, then sleeps', () => {
    const world = new World()
    world.bound(ALICE, HOME_A)

    world.pass(120_000)
    assert.equal(world.relay.stats.sessions, 1)
    assert.equal(world.relay.stats.channels, 0)
    world.pass(600_000)

    assert.equal(world.relay.stats.sessions, 0)
    assert.equal(world.relay.pollTimeout(), undefined)
  })

  it('ends a session whose quota is used up, and does not begin it again', () => {
    const world = new World()
    const ticket = world.ticket({ quotaBytes: 2_500 })
    const ofAlice = world.bound(ALICE, HOME_A, ticket)
    world.bound(BOB, HOME_B, ticket)
    const packet = encodeData(ofAlice, new Uint8Array(1_000))

    assert.deepEqual(world.send(HOME_A, packet)[0]?.to, HOME_B)
    assert.deepEqual(world.send(HOME_A, packet)[0]?.to, HOME_B)
    assert.deepEqual(world.send(HOME_A, packet)[0]?.to, HOME_A)

    assert.equal(world.relay.stats.channels, 0)
    assert.equal(world.refusal(ALICE, ticket), 'quota-used')
    world.pass(120_000)
    assert.equal(world.refusal(BOB, ticket, HOME_B), 'quota-used')
  })

  it('gives a session a fresh quota by a later ticket', () => {
    const world = new World()
    const first = world.ticket({ quotaBytes: 1_500 })
    const ofAlice = world.bound(ALICE, HOME_A, first)
    world.bound(BOB, HOME_B, first)
    const packet = encodeData(ofAlice, new Uint8Array(1_000))
    world.send(HOME_A, packet)
    world.pass(1)

    const renewed = world.bound(ALICE, HOME_A, world.ticket({ quotaBytes: 1_500 }))

    assert.equal(renewed, ofAlice)
    assert.deepEqual(world.send(HOME_A, packet)[0]?.to, HOME_B)
    world.bound(BOB, HOME_B, first)
    assert.deepEqual(world.send(HOME_A, packet)[0]?.to, HOME_A)
  })

  it('drops what is sent faster than 4 MiB a second', () => {
    const world = new World()
    const ticket = world.ticket({ quotaBytes: 1024 ** 3 })
    const ofAlice = world.bound(ALICE, HOME_A, ticket)
    world.bound(BOB, HOME_B, ticket)
    const packet = encodeData(ofAlice, new Uint8Array(1024))
    const passed = (): number => {
      let count = 0
      for (let sent = 0; sent < 8192; sent++) count += world.send(HOME_A, packet).length
      return count
    }

    assert.equal(passed(), 1024)
    world.pass(125)
    assert.equal(passed(), 512)
  })

  it('lets one device have only so many sessions', () => {
    const world = new World()
    const ticketOf = (count: number): Uint8Array => {
      const session = Buffer.alloc(16)
      session.writeUInt32BE(count)
      return world.ticket({ session })
    }
    for (let count = 0; count < MAX_SESSIONS_PER_DEVICE; count++) {
      world.bound(ALICE, HOME_A, ticketOf(count))
    }

    assert.equal(world.refusal(ALICE, ticketOf(9999)), 'busy')
    assert.equal(world.refusal(BOB, ticketOf(9998), HOME_B), 'bound')
  })

  it('begins no session once it is drained, and goes on with those that it has', () => {
    const world = new World()
    const ticket = world.ticket()
    const channel = world.bound(ALICE, HOME_A, ticket)

    world.relay.drain()

    const other = world.ticket({ session: new Uint8Array(16).fill(2) })
    assert.equal(world.refusal(ALICE, other), 'busy')
    const bobs = world.bound(BOB, HOME_B, ticket)
    const [forwarded] = world.send(
      HOME_A,
      encodeRelayFrame({ kind: 'data', channel, payload: Buffer.from('hello') }),
    )
    assert.deepEqual([forwarded?.to, world.relay.stats.sessions], [HOME_B, 1])
    assert.notDeepEqual(bobs, channel)
  })

  it('checks no more signatures for one network than it is allowed', () => {
    const world = new World({ burst: 5, perSecond: 1 })
    const frame = encodeRelayFrame(world.bind(MALLORY, { cookie: world.cookie(HOME_A) }))
    const answers = (): number => {
      let count = 0
      for (let sent = 0; sent < 10; sent++) count += world.send(HOME_A, frame).length
      return count
    }

    assert.equal(answers(), 5)
    assert.equal(world.relay.stats.dropped.rate, 5)
    world.pass(2_000)
    assert.equal(answers(), 2)
  })

  it('survives any bytes, and never sends to an address that did not write to it', () => {
    const world = new World()
    world.bound(BOB, HOME_B)
    const frames = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(fc.constantFrom(0x80, 0x81, 0x85, 0x90, 0xbf), fc.uint8Array({ maxLength: 300 }))
        .map(([first, rest]) => concatBytes(Uint8Array.of(first), rest)),
    )
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 65_535 }), (bytes, port) => {
        const from = { ...HOME_A, port }
        const answers = world.send(from, bytes)

        assert.ok(answers.length <= 1)
        for (const { to, bytes: answer } of answers) {
          assert.deepEqual(to, from)
          assert.ok(answer.length <= bytes.length)
        }
      }),
    )
  })
})
