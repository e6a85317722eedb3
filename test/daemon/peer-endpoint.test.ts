import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { HollerError } from '../../src/core/holler-error.ts'
import { type Instant, instant } from '../../src/core/instant.ts'
import type { Transmit } from '../../src/core/machine.ts'
import { staticKeyFromSeed } from '../../src/crypto/static-key.ts'
import { MAX_PEER_MESSAGE_BYTES } from '../../src/daemon/peer-chat.ts'
import { PeerEndpoint } from '../../src/daemon/peer-endpoint.ts'
import { firstConnectionId, handshakePayload, sessionPrologue } from '../../src/daemon/peer-keys.ts'
import type { PeerEndpointEvent } from '../../src/daemon/peer-events.ts'
import { MAX_PEERS } from '../../src/daemon/peer-table.ts'
import type { Introduced } from '../../src/protocol/server/messages.ts'
import { Connection } from '../../src/reliable-udp/connection.ts'
import type { PathPolicy } from '../../src/traversal/candidate.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { deviceOf } from './peer-scene.ts'

const OWN = 10_001
const PEER = 10_002
const LOWER_PEER = 10_000 // the connection's initiator
const somewhere: Endpoint = { family: 4, address: '192.0.2.9', port: 4000 }
const relay: Endpoint = { family: 4, address: '203.0.113.1', port: 3478 }
const start = instant(1000)

function newEndpoint(isLoggedIn = true): PeerEndpoint {
  const { identity, staticKey, keys } = deviceOf(1)
  const random = new SeededRandom(1)
  const endpoint = new PeerEndpoint({ identity, staticKey, device: keys, random })
  endpoint.setLocalAddresses(start, ['198.51.100.10'], 5000)
  endpoint.setAccount(start, isLoggedIn ? OWN : undefined)
  drain(endpoint)
  return endpoint
}

function drain(endpoint: PeerEndpoint): {
  readonly transmits: readonly Transmit[]
  readonly events: readonly PeerEndpointEvent[]
} {
  const transmits: Transmit[] = []
  const events: PeerEndpointEvent[] = []
  let transmit: Transmit | undefined
  while ((transmit = endpoint.pollTransmit()) !== undefined) transmits.push(transmit)
  let event: PeerEndpointEvent | undefined
  while ((event = endpoint.pollEvent()) !== undefined) events.push(event)
  endpoint.pollTimeout()
  return { transmits, events }
}

function introduction(change: Partial<Introduced> = {}): Introduced {
  return {
    kind: 'introduced',
    from: PEER,
    session: new Uint8Array(16).fill(7),
    isAnswer: false,
    probeKey: staticKeyFromSeed(new Uint8Array(32).fill(9)).publicKey,
    candidates: [],
    device: deviceOf(2).keys,
    startInMs: 0,
    ...change,
  }
}

/** What a peer whose session is that of `introduction` sends first. */
function firstPacketOf(peer: number): Uint8Array {
  const { staticKey, keys } = deviceOf(2)
  const session = introduction().session
  const connection = new Connection({
    role: 'initiator',
    pattern: 'XX',
    staticKey,
    prologue: sessionPrologue(session, OWN, peer),
    payload: handshakePayload(keys),
    initialId: firstConnectionId(session),
    random: new SeededRandom(5),
    path: { to: somewhere },
  })
  connection.start(start)
  const transmit = connection.pollTransmit()
  assert.ok(transmit !== undefined)
  return transmit.bytes
}

const codeOf =
  (code: string) =>
  (error: unknown): boolean =>
    (error as HollerError).code === code

describe('PeerEndpoint', () => {
  it('counts and drops what it cannot place, and answers nothing', () => {
    const endpoint = newEndpoint()
    const of = (first: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      bytes[0] = first
      return bytes
    }

    endpoint.handleDatagram(start, somewhere, new Uint8Array(0))
    endpoint.handleDatagram(start, somewhere, of(0x50, 100))
    endpoint.handleDatagram(start, somewhere, of(0x40, 1200))
    endpoint.handleDatagram(start, somewhere, of(0xc0, 96))
    endpoint.handleDatagram(start, somewhere, of(0xc0, 2))
    endpoint.handleDatagram(start, somewhere, of(0x80, 30))
    endpoint.handleDatagram(start, somewhere, of(0x83, 21))

    assert.deepEqual(endpoint.stats().dropped, {
      empty: 1,
      'unknown-connection': 2,
      'forbidden-path': 0,
      'unknown-probe': 2,
      'unknown-relay-frame': 2,
      'unknown-introduction': 0,
      'too-many-peers': 0,
    })
    assert.deepEqual(drain(endpoint), { transmits: [], events: [] })
  })

  it('never throws on any bytes, with a session or without, and answers no stranger', () => {
    const endpoint = newEndpoint()
    endpoint.introduced(
      start,
      introduction({ relay: { endpoint: relay, ticket: new Uint8Array(169) } }),
    )
    drain(endpoint)
    const marked = fc
      .tuple(fc.constantFrom(0x00, 0x40, 0x50, 0x80, 0x82, 0x83, 0x87, 0xc0), fc.uint8Array())
      .map(([first, rest]) => Uint8Array.from([first, ...rest]))

    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 1500 }), marked), (bytes) => {
        endpoint.handleDatagram(start, somewhere, bytes)
        endpoint.handleDatagram(start, relay, bytes)
        assert.deepEqual(drain(endpoint).events, [])
      }),
    )
    assert.equal(endpoint.stats().peers, 1)
  })

  it('introduces nobody without an account, nor itself', () => {
    assert.throws(() => newEndpoint(false).introduce(start, PEER), codeOf('NOT_LOGGED_IN'))
    assert.throws(() => newEndpoint().introduce(start, OWN), codeOf('INVALID_PARAMS'))
  })

  it('answers an introduction with its own half, in the same session', () => {
    const endpoint = newEndpoint()
    const message = introduction()

    endpoint.introduced(start, message)

    const [event, ...others] = drain(endpoint).events
    assert.deepEqual(others, [])
    assert.ok(event?.kind === 'introduce-wanted')
    assert.equal(event.peer, PEER)
    assert.equal(event.isAnswer, true)
    assert.deepEqual(event.session, message.session)
    assert.equal(event.probeKey.length, 32)
    assert.deepEqual(event.candidates, [
      { kind: 'host', endpoint: { family: 4, address: '198.51.100.10', port: 5000 } },
    ])
  })

  it('takes no answer to what it never asked, and no malformed or own introduction', () => {
    const endpoint = newEndpoint()

    endpoint.introduced(start, introduction({ isAnswer: true }))
    endpoint.introduced(start, introduction({ session: new Uint8Array(15) }))
    endpoint.introduced(start, introduction({ from: OWN }))
    newEndpoint(false).introduced(start, introduction())

    assert.deepEqual(drain(endpoint), { transmits: [], events: [] })
    assert.equal(endpoint.stats().dropped['unknown-introduction'], 3)
    assert.equal(endpoint.stats().peers, 0)
  })

  it('ends a session whose probe key is none', () => {
    const endpoint = newEndpoint()

    endpoint.introduced(start, introduction({ probeKey: new Uint8Array(32) }))

    assert.deepEqual(
      drain(endpoint).events.map(({ kind }) => kind),
      ['peer-closed'],
    )
    assert.equal(endpoint.stats().peers, 0)
  })

  it('keeps no more peers than its bound, and says so', () => {
    const endpoint = newEndpoint()
    for (let n = 0; n < MAX_PEERS; n++) endpoint.introduce(start, 20_000 + n)

    assert.throws(() => endpoint.introduce(start, PEER), codeOf('BUSY'))
    endpoint.introduced(start, introduction())

    assert.equal(endpoint.stats().peers, MAX_PEERS)
    assert.equal(endpoint.stats().dropped['too-many-peers'], 1)
  })

  it('answers a handshake that comes directly only where the policy allows the path', () => {
    const neighbour: Endpoint = { family: 4, address: '198.51.100.77', port: 4000 }
    const answers = (policy: PathPolicy, from: Endpoint): readonly number[] => {
      const endpoint = newEndpoint()
      endpoint.setPolicy(start, LOWER_PEER, policy)
      endpoint.introduced(start, introduction({ from: LOWER_PEER }))
      drain(endpoint)

      endpoint.handleDatagram(start, from, firstPacketOf(LOWER_PEER))

      const sent = drain(endpoint).transmits.filter(({ to }) => to.address === from.address)
      return [sent.length, endpoint.stats().dropped['forbidden-path']]
    }

    assert.deepEqual(answers('auto', somewhere), [1, 0])
    assert.deepEqual(answers('lan', neighbour), [1, 0])
    assert.deepEqual(answers('lan', somewhere), [0, 1])
    assert.deepEqual(answers('relay', neighbour), [0, 1])
    assert.deepEqual(answers('relay', somewhere), [0, 1])
  })

  it('sends a stranger fifteen questions, however many sessions name him', () => {
    const endpoint = newEndpoint()
    const candidates = Array.from({ length: 10 }, (_, n) => ({
      kind: 'host' as const,
      endpoint: { ...somewhere, port: 53 + n },
    }))
    let sent = 0
    let now: Instant = start
    const runTo = (end: Instant): void => {
      for (;;) {
        sent += drain(endpoint).transmits.filter(
          ({ to }) => to.address === somewhere.address,
        ).length
        const next = endpoint.pollTimeout()
        if (next === undefined || next > end) break
        now = instant(Math.max(now, next))
        endpoint.handleTimeout(now)
      }
      now = end
    }
    for (let n = 0; n < 28; n++) {
      const message = introduction({ session: new Uint8Array(16).fill(n), candidates })
      endpoint.introduced(now, message)
      endpoint.introduced(now, { ...message, isAnswer: true, startInMs: 150 })
      runTo(instant(start + (n + 1) * 1000))
    }

    assert.equal(sent, 15)
  })

  it('asks a peer anew at once who has restarted, but not twice in half a minute', () => {
    const endpoint = newEndpoint()
    const asked: number[] = []
    const closed: PeerEndpointEvent[] = []
    let session: Uint8Array = new Uint8Array(16).fill(7)
    let now = start
    const take = (): void => {
      for (const event of drain(endpoint).events) {
        if (event.kind === 'introduce-wanted' && !event.isAnswer) {
          asked.push(now - start)
          session = event.session
        }
        if (event.kind === 'peer-closed') closed.push(event)
      }
    }
    for (let n = 0; n < 300; n++) {
      now = instant(start + n * 100)
      const probeKey = staticKeyFromSeed(new Uint8Array(32).fill(n % 250)).publicKey
      endpoint.introduced(now, introduction({ session, probeKey }))
      take()
    }

    assert.deepEqual(asked, [100])
    assert.ok(closed.length > 0)
    for (const event of closed) assert.ok(event.kind === 'peer-closed')
    assert.ok(closed.every((event) => event.kind === 'peer-closed' && event.reason === 'outlived'))
  })

  it('gives up everybody when the account changes', () => {
    const endpoint = newEndpoint()
    endpoint.introduce(start, PEER)
    endpoint.introduced(start, introduction({ from: 10_003 }))
    drain(endpoint)

    endpoint.setAccount(start, undefined)

    const closed = drain(endpoint).events
    assert.deepEqual(
      closed.map((event) => (event.kind === 'peer-closed' ? [event.peer, event.reason] : [])),
      [
        [PEER, 'local'],
        [10_003, 'local'],
      ],
    )
    assert.equal(endpoint.stats().peers, 0)
  })

  it('sends nothing without a session, and nothing beyond the limit ever', () => {
    const endpoint = newEndpoint()

    assert.equal(endpoint.send(start, PEER, Uint8Array.of(1)), false)
    assert.throws(
      () => endpoint.send(start, PEER, new Uint8Array(MAX_PEER_MESSAGE_BYTES + 1)),
      codeOf('TOO_LARGE'),
    )
  })

  it('asks to be woken for nothing when nothing goes on', () => {
    const endpoint = newEndpoint()
    assert.equal(endpoint.pollTimeout(), undefined)

    endpoint.introduce(start, PEER)
    drain(endpoint)
    let wakes = 0
    let now: Instant = start
    for (;;) {
      const next = endpoint.pollTimeout()
      if (next === undefined) break
      now = next
      endpoint.handleTimeout(now)
      drain(endpoint)
      wakes += 1
      assert.ok(wakes < 50, 'it wakes without end')
    }

    assert.equal(now - start, 30_000)
  })
})
