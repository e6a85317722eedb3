import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { HollerError } from '../../src/core/holler-error.ts'
import { after } from '../../src/core/instant.ts'
import { deviceLoginStatement } from '../../src/crypto/device-statement.ts'
import { verifySignature } from '../../src/crypto/identity.ts'
import { DEFAULT_HASHING } from '../../src/crypto/password-hashing.ts'
import type { ServerMessage } from '../../src/protocol/server/messages.ts'
import { encodeFrame } from '../../src/tcp/frame.ts'
import { ServerLink, type ServerLinkOptions } from '../../src/tcp/server-link.ts'
import type { ServerLinkEvent } from '../../src/tcp/server-link-event.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { clientMessages, serverMessages } from '../protocol/support/arbitrary-messages.ts'
import {
  deviceIdentity,
  deviceKeys,
  exporter,
  LinkBench,
  salt,
  saltedPassword,
  ScriptedLogin,
  secret,
  welcome,
} from './support/link-bench.ts'

type Bench = LinkBench<ServerLinkEvent> & { readonly link: ServerLink }

function optionsOf(seed = 1): ServerLinkOptions {
  return {
    user: 'alice',
    deviceIdentity,
    deviceKeys,
    client: 'hollerd/0.1.0',
    random: new SeededRandom(seed),
  }
}

function benchOf(options: Partial<ServerLinkOptions> = {}, seed = 1): Bench {
  const link = new ServerLink({ ...optionsOf(seed), ...options })
  return Object.assign(new LinkBench<ServerLinkEvent>(link), { link })
}

function started(options?: Partial<ServerLinkOptions>, seed?: number): Bench {
  const bench = benchOf(options, seed)
  bench.do((now) => bench.link.start(now))
  return bench
}

/** Connected, hello said. */
function greeted(options?: Partial<ServerLinkOptions>, seed?: number): Bench {
  const bench = started(options, seed)
  bench.connected()
  return bench
}

function logIn(bench: Bench, heartbeatMs = 30_000): void {
  const server = new ScriptedLogin(bench.said('hello').scram)
  bench.say(server.challenge)
  bench.say(server.outcome(bench.said('response').scram, heartbeatMs))
}

/** Online, everything so far forgotten. */
function online(heartbeatMs?: number, seed?: number): Bench {
  const bench = greeted({ savedSecret: secret }, seed)
  logIn(bench, heartbeatMs)
  assert.equal(bench.takeEvents().at(-1)?.kind, 'online')
  bench.takeOutputs()
  return bench
}

function offlineOf(bench: Bench): Extract<ServerLinkEvent, { kind: 'offline' }> {
  const event = bench.takeEvents().at(-1)
  assert.ok(event?.kind === 'offline', JSON.stringify(event))
  return event
}

function isCoded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HollerError && error.code === code
}

const report = {
  kind: 'report',
  localAddresses: [],
  publicEndpoints: [],
  udpPort: 1,
  tcpPort: 0,
} as const

const OWN = ['192.0.2.1']

describe('ServerLink, login', () => {
  it('says hello with the device when the connection stands', () => {
    const bench = started()
    assert.deepEqual(bench.takeOutputs(), ['connect'])

    bench.connected()

    const hello = bench.said('hello')
    assert.equal(hello.version, 1)
    assert.equal(hello.client, 'hollerd/0.1.0')
    assert.match(hello.scram, /^p=tls-exporter,,n=alice,r=[!-+\--~]{24}$/)
    assert.deepEqual(hello.device, structuredClone(deviceKeys))
  })

  it('asks its owner for the hash, then proves password and device to this very channel', () => {
    const bench = greeted()
    const server = new ScriptedLogin(bench.said('hello').scram)

    bench.say(server.challenge)
    const wanted = bench.takeEvent()
    bench.do((now) => bench.link.passwordHashed(now, secret))
    bench.say(server.outcome(bench.said('response').scram))

    assert.ok(wanted.kind === 'hash-wanted')
    assert.deepEqual(Uint8Array.from(wanted.salt), salt)
    assert.deepEqual(wanted.hashing, DEFAULT_HASHING)
    const { deviceSignature } = bench.said('response')
    assert.ok(verifySignature(deviceKeys.identity, deviceLoginStatement(exporter), deviceSignature))
    const event = bench.takeEvent()
    assert.ok(event.kind === 'online')
    assert.equal(event.welcome.number, 10001)
    assert.ok(bench.link.isOnline)
  })

  it('answers at once with a secret that fits the challenge', () => {
    const bench = greeted({ savedSecret: secret })

    logIn(bench)

    assert.deepEqual(
      bench.takeEvents().map(({ kind }) => kind),
      ['online'],
    )
  })

  it('asks again when the salt or the parameters are others', () => {
    for (const [hashing, ofSalt] of [
      [DEFAULT_HASHING, new Uint8Array(16).fill(8)],
      [{ ...DEFAULT_HASHING, passes: 3 }, salt],
      [{ ...DEFAULT_HASHING, memoryKiB: 20_000 }, salt],
      [{ ...DEFAULT_HASHING, lanes: 2 }, salt],
    ] as const) {
      const bench = greeted({ savedSecret: secret })
      const server = new ScriptedLogin(bench.said('hello').scram, hashing, ofSalt)

      bench.say(server.challenge)

      assert.equal(bench.takeEvent().kind, 'hash-wanted')
      bench.do((now) => bench.link.passwordHashed(now, secret)) // of another salt: not what is wanted
      assert.throws(() => bench.said('response'))
      bench.do((now) => bench.link.passwordHashed(now, { salt: ofSalt, hashing, saltedPassword }))
      bench.say(server.outcome(bench.said('response').scram))
      assert.equal(bench.takeEvent().kind, 'online')
    }
  })

  it('needs no second hash after a lost session, even when the first came too late', () => {
    const bench = greeted()
    bench.say(new ScriptedLogin(bench.said('hello').scram).challenge)
    bench.disconnected()
    bench.do((now) => bench.link.passwordHashed(now, secret))
    bench.pass(500)
    bench.takeEvents()

    bench.connected()
    logIn(bench)

    assert.deepEqual(
      bench.takeEvents().map(({ kind }) => kind),
      ['online'],
    )
  })

  it('gives every login a nonce of its own', () => {
    const nonces = Array.from({ length: 20 }, (_, seed) => greeted({}, seed).said('hello').scram)

    assert.equal(new Set(nonces).size, 20)
  })

  it('does not try a wrong password again', () => {
    const bench = greeted()
    const server = new ScriptedLogin(bench.said('hello').scram)
    bench.say(server.challenge)
    const wrong = { ...secret, saltedPassword: new Uint8Array(32) }
    bench.do((now) => bench.link.passwordHashed(now, wrong))
    bench.takeEvents()
    bench.takeOutputs()

    bench.say({ kind: 'error', code: 'auth-failed', text: 'Not you' })

    assert.deepEqual(bench.takeEvent(), { kind: 'refused', code: 'auth-failed', text: 'Not you' })
    assert.deepEqual(bench.takeOutputs(), ['disconnect'])
    assert.equal(bench.machine.pollTimeout(), undefined)
    bench.do((now) => bench.link.start(now))
    bench.connected()
    bench.say(new ScriptedLogin(bench.said('hello').scram).challenge)
    assert.equal(bench.takeEvent().kind, 'hash-wanted') // the wrong secret is forgotten
  })

  it('gives up a login that is not through after 10 s', () => {
    for (const far of ['hello', 'challenge', 'response'] as const) {
      const bench = greeted(far === 'response' ? { savedSecret: secret } : {})
      if (far !== 'hello') bench.say(new ScriptedLogin(bench.said('hello').scram).challenge)
      bench.takeEvents()
      bench.takeOutputs()

      bench.pass(9_999)
      assert.deepEqual(bench.takeEvents(), [])
      bench.do((now) => bench.link.handleTimeout(now))
      assert.deepEqual(bench.takeEvents(), [])
      bench.pass(1)

      assert.equal(offlineOf(bench).why, 'login-timeout')
      assert.equal(bench.takeOutputs()[0], 'disconnect')
    }
  })

  it('comes back later where the server is busy, and not before it asked for', () => {
    const bench = greeted()

    bench.say({ kind: 'error', code: 'rate-limited', text: 'Slowly', retryAfterMs: 7_000 })

    const { why, text, retryInMs } = offlineOf(bench)
    assert.deepEqual([why, text], ['turned-away', 'rate-limited: Slowly'])
    assert.ok(retryInMs >= 7_000 && retryInMs <= 14_000)
    assert.equal(bench.takeOutputs().at(-1), 'disconnect')
    bench.pass(6_999)
    assert.deepEqual(bench.takeOutputs(), [])
    bench.pass(7_001)
    assert.deepEqual(bench.takeOutputs(), ['connect'])
  })

  it('refuses names that could not be sent', () => {
    for (const user of ['a\0b', 'a\nb', '\ud800']) {
      assert.throws(() => benchOf({ user }), isCoded('INVALID_PARAMS'))
    }
    assert.throws(() => benchOf({ client: '' }), isCoded('INVALID_PARAMS'))
  })
})

describe('ServerLink, a server that is not what it should be', () => {
  it('does not go online where the server does not prove that it knows the verifier', () => {
    for (const scram of ['v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=no', 'x']) {
      const bench = greeted({ savedSecret: secret })
      const server = new ScriptedLogin(bench.said('hello').scram)
      bench.say(server.challenge)

      bench.say(welcome(scram))

      const event = bench.takeEvent()
      assert.ok(event.kind === 'refused')
      assert.equal(event.code, 'server-unproven')
      assert.equal(bench.takeOutputs().at(-1), 'disconnect')
      assert.equal(bench.machine.pollTimeout(), undefined)
      assert.equal(bench.link.isOnline, false)
      assert.equal(bench.link.counters.violations, 1)
    }
  })

  it('says nothing more to a server that wants the password hashed too weakly or too dearly', () => {
    for (const hashing of [
      { ...DEFAULT_HASHING, memoryKiB: 19_455 },
      { ...DEFAULT_HASHING, passes: 1 },
      { ...DEFAULT_HASHING, memoryKiB: 262_145 },
      { ...DEFAULT_HASHING, passes: 17 },
    ]) {
      const bench = greeted({ savedSecret: { ...secret, hashing } })
      const server = new ScriptedLogin(bench.said('hello').scram, hashing)
      bench.takeOutputs()

      bench.say(server.challenge)

      const event = bench.takeEvent()
      assert.ok(event.kind === 'refused')
      assert.equal(event.code, 'server-unproven')
      assert.deepEqual(bench.takeOutputs(), ['disconnect'])
      assert.equal(bench.machine.pollTimeout(), undefined)
    }
  })

  it('does not take a welcome before its own proof, nor a nonce that is not its own', () => {
    const early = greeted({ savedSecret: secret })
    early.say(welcome('v=AAAA'))
    assert.equal(offlineOf(early).why, 'violation')

    const other = greeted({ savedSecret: secret })
    other.say(new ScriptedLogin('p=tls-exporter,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL').challenge)
    assert.equal(other.takeEvent().kind, 'refused')
  })

  it('ends the session on whatever is out of the protocol, counts it and comes back', () => {
    const violations: readonly ((bench: Bench) => void)[] = [
      (bench) => bench.sayBytes(Uint8Array.of(0, 0, 0, 0)),
      (bench) => bench.sayBytes(Uint8Array.of(0, 1, 128, 1)),
      (bench) => bench.sayBytes(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
      (bench) => bench.sayDocument('<!DOCTYPE ok><ok id="1"/>'),
      (bench) => bench.sayDocument('<ok id="1">'),
      (bench) => bench.sayDocument('<ok id="-1"/>'),
      (bench) => bench.sayDocument('<presence snapshot="true"><buddy/></presence>'),
      (bench) => bench.say({ kind: 'challenge', scram: 'r=x' }),
      (bench) => bench.say(welcome('v=AAAA')),
      (bench) => bench.say({ kind: 'registered', number: 1, handle: 'mallory' }),
    ]
    for (const violate of violations) {
      const bench = online()

      violate(bench)

      const { why, retryInMs } = offlineOf(bench)
      assert.equal(why, 'violation')
      assert.deepEqual(bench.takeOutputs(), ['disconnect'])
      assert.equal(bench.link.counters.violations, 1)
      bench.pass(retryInMs)
      assert.deepEqual(bench.takeOutputs(), ['connect'])
    }
  })

  it('ignores and counts messages that it does not know', () => {
    const bench = online()

    bench.sayDocument('<weather id="3" text="fair"/>')
    bench.sayDocument('<hello/>')

    assert.deepEqual(bench.takeEvents(), [])
    assert.equal(bench.link.counters.unknownMessages, 2)
    assert.ok(bench.link.isOnline)
  })

  it('hears nothing more once it has hung up', () => {
    const bench = online()
    const presence: ServerMessage = { kind: 'presence', isSnapshot: false, entries: [] }

    bench.say(presence, { kind: 'goodbye', reason: 'timeout', retryAfterMs: 0 }, presence)
    bench.say(presence)
    bench.disconnected()

    assert.deepEqual(
      bench.takeEvents().map(({ kind }) => kind),
      ['message', 'offline'],
    )
  })

  it('survives any bytes at any time, and keeps its promises', () => {
    const talk = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      serverMessages.map((message) => ({ message })),
      fc.constantFrom('connected', 'disconnected', 'pass', 'start', 'stop', 'hashed', 'changed'),
    )
    fc.assert(
      fc.property(fc.array(talk, { maxLength: 30 }), fc.nat(), (steps, seed) => {
        const bench = started({ savedSecret: secret }, seed)
        const { link } = bench
        for (const step of steps) {
          if (step instanceof Uint8Array) bench.sayBytes(step)
          else if (typeof step === 'object') bench.say(step.message)
          else if (step === 'connected') bench.connected()
          else if (step === 'disconnected') bench.disconnected()
          else if (step === 'pass') bench.pass(5_000)
          else if (step === 'start') bench.do((now) => link.start(now))
          else if (step === 'stop') bench.do((now) => link.stop(now))
          else if (step === 'changed') bench.do((now) => link.networkChanged(now, OWN))
          else bench.do((now) => link.passwordHashed(now, secret))
          // Without the verifier nobody gets it online.
          assert.equal(link.isOnline, false)
          const deadline = link.pollTimeout()
          assert.ok(deadline === undefined || deadline >= bench.now)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('survives any message in a session', () => {
    fc.assert(
      fc.property(fc.array(serverMessages, { maxLength: 20 }), (messages) => {
        const bench = online()
        for (const message of messages) bench.say(message)
        bench.pass(120_000)
      }),
      { numRuns: 100 },
    )
  })
})

describe('ServerLink, session', () => {
  it('hands on what the server says, in its order', () => {
    const bench = online()
    const said: readonly ServerMessage[] = [
      { kind: 'roster', page: 0, isLast: true, buddies: [] },
      { kind: 'presence', isSnapshot: true, entries: [] },
      { kind: 'buddy-removed', number: 10002 },
      { kind: 'error', code: 'temporary', text: 'The disk is slow' },
    ]

    bench.say(...said)

    assert.deepEqual(
      bench.takeEvents(),
      said.map((message) => ({ kind: 'message', message })),
    )
  })

  it('gives requests rising numbers and matches their answers, in any order', () => {
    const bench = online()
    const first = bench.do((now) => bench.link.request(now, report))
    const second = bench.do((now) =>
      bench.link.request(now, { kind: 'buddy-accept', number: 10002 }),
    )
    const error: ServerMessage = { kind: 'error', id: second, code: 'not-found', text: 'Nobody' }

    bench.say(error, { kind: 'ok', id: first })

    assert.ok(second > first)
    assert.deepEqual(bench.said('buddy-accept'), {
      kind: 'buddy-accept',
      id: second,
      number: 10002,
    })
    assert.deepEqual(bench.takeEvents(), [
      { kind: 'answered', id: second, error },
      { kind: 'answered', id: first },
    ])
  })

  it('tells each answer once, and none that nobody asked for', () => {
    const bench = online()
    const id = bench.do((now) => bench.link.request(now, report))

    bench.say({ kind: 'ok', id }, { kind: 'ok', id }, { kind: 'ok', id: id + 1 })
    bench.say({ kind: 'error', id, code: 'temporary', text: '' })

    assert.deepEqual(bench.takeEvents(), [{ kind: 'answered', id }])
  })

  it('answers for a server that does not, after 30 s', () => {
    const bench = online()
    bench.pass(10_000)
    const id = bench.do((now) => bench.link.request(now, report))

    for (let seconds = 0; seconds < 29; seconds++) {
      bench.pass(1_000)
      bench.say({ kind: 'buddy-removed', number: 1 })
    }
    bench.takeEvents()
    bench.pass(1_000)

    const event = bench.takeEvent()
    assert.ok(event.kind === 'answered')
    assert.deepEqual([event.id, event.error?.code], [id, 'temporary'])
    assert.ok(bench.link.isOnline)
  })

  it('answers what a lost session left open, before it tells that it is lost', () => {
    const bench = online()
    const ids = [1, 2, 3].map(() => bench.do((now) => bench.link.request(now, report)))

    bench.disconnected()

    const events = bench.takeEvents()
    assert.deepEqual(
      events.slice(0, 3).map((event) => event.kind === 'answered' && [event.id, event.error?.code]),
      ids.map((id) => [id, 'temporary']),
    )
    assert.equal(events[3]?.kind, 'offline')
  })

  it('refuses requests while it is not online, too many at once, and those that cannot be sent', () => {
    const bench = online()
    const accept = { kind: 'buddy-accept', number: 0 } as const
    assert.throws(() => bench.link.request(bench.now, accept), isCoded('INVALID_PARAMS'))
    for (let count = 0; count < 256; count++) bench.do((now) => bench.link.request(now, report))
    assert.throws(() => bench.link.request(bench.now, report), isCoded('BUSY'))

    bench.disconnected()

    assert.throws(() => bench.link.request(bench.now, report), isCoded('SERVER_UNREACHABLE'))
  })

  it('carries every request of the protocol', () => {
    fc.assert(
      fc.property(clientMessages, (message) => {
        if (!('id' in message)) return
        if (message.kind === 'ping' || message.kind === 'pong') return
        if (message.kind === 'suspend' || message.kind === 'logout') return
        const bench = online()

        const id = bench.do((now) => bench.link.request(now, message))

        assert.deepEqual(bench.said(message.kind), { ...message, id })
      }),
    )
  })

  it('answers the pings of the server', () => {
    const bench = online()

    bench.say({ kind: 'ping', id: 77 })

    assert.deepEqual(bench.takeOutputs(), [{ kind: 'pong', id: 77, timeMs: 0 }])
  })
})

describe('ServerLink, heartbeat', () => {
  it('pings at the interval that the welcome named, and measures the round trip', () => {
    const bench = online(20_000)

    bench.pass(19_999)
    assert.deepEqual(bench.takeOutputs(), [])
    bench.pass(1)
    const { id } = bench.said('ping')
    bench.pass(40)
    bench.say({ kind: 'pong', id, timeMs: 1 })

    assert.equal(bench.link.rttMs, 40)
    bench.takeOutputs()
    bench.pass(19_960)
    assert.equal(bench.takeOutputs().length, 1)
  })

  it('takes two missed answers for the end, no sooner', () => {
    const bench = online(20_000)

    bench.pass(20_000)
    bench.pass(20_000)
    assert.equal(bench.takeOutputs().length, 2)
    bench.pass(19_999)
    assert.deepEqual(bench.takeEvents(), [])
    bench.pass(1)

    assert.equal(offlineOf(bench).why, 'silent')
    assert.equal(bench.takeOutputs()[0], 'disconnect')
  })

  it('takes anything heard for an answer', () => {
    const bench = online(20_000)
    for (let minute = 0; minute < 30; minute++) {
      bench.pass(30_000)
      bench.say({ kind: 'buddy-removed', number: 10002 })
      bench.pass(30_000)
      bench.sayDocument('<weather/>')
    }

    assert.ok(bench.link.isOnline)
  })

  it('concludes nothing from one late tick: the event loop was blocked, not the server', () => {
    const bench = online(20_000)
    bench.pass(20_000)
    bench.now = after(bench.now, 3_600_000)

    bench.do((now) => bench.link.handleTimeout(now))

    assert.ok(bench.link.isOnline)
    assert.equal(bench.machine.pollTimeout(), after(bench.now, 20_000))
  })

  it('asks at once after a change of network, and gives a dead session 3 s', () => {
    const alive = online()
    alive.do((now) => alive.link.networkChanged(now, OWN))
    alive.say({ kind: 'pong', id: alive.said('ping').id, timeMs: 1 })
    alive.pass(60_000 - 1)
    assert.ok(alive.link.isOnline)

    const dead = online()
    dead.do((now) => dead.link.networkChanged(now, OWN))
    dead.pass(2_999)
    assert.ok(dead.link.isOnline)
    dead.pass(1)
    assert.equal(offlineOf(dead).why, 'silent')
  })

  it('connects anew without waiting when it ends before anything was heard after a change of network', () => {
    for (const ends of ['reset', 'silent'] as const) {
      const bench = online()
      bench.do((now) => bench.link.networkChanged(now, OWN))
      bench.takeOutputs()

      if (ends === 'reset') bench.disconnected()
      else bench.pass(3_000)
      assert.equal(offlineOf(bench).why, ends === 'reset' ? 'closed' : 'silent')
      assert.equal(bench.takeOutputs().at(-1), 'connect')

      bench.disconnected() // the network is still away: now it waits as ever
      assert.deepEqual(bench.takeOutputs(), [])
    }
  })

  it('waits as ever when something was heard since the network changed', () => {
    const bench = online()
    bench.do((now) => bench.link.networkChanged(now, OWN))
    bench.say({ kind: 'pong', id: bench.said('ping').id, timeMs: 1 })
    bench.takeOutputs()

    bench.disconnected()

    assert.deepEqual(bench.takeOutputs(), [])
  })

  it('connects anew at once where its own address is gone', () => {
    const bench = online()
    bench.takeOutputs()

    bench.do((now) => bench.link.networkChanged(now, ['198.51.100.7']))

    assert.deepEqual(bench.takeOutputs(), ['disconnect', 'connect'])
    assert.equal(bench.link.isOnline, false)
  })

  it('begins a connection anew that was being made over the old network', () => {
    const bench = started({})
    bench.takeOutputs()

    bench.do((now) => bench.link.networkChanged(now, OWN))

    assert.deepEqual(bench.takeOutputs(), ['connect'])
  })

  it('finds a half-open connection 8 s after a request, not two heartbeats', () => {
    const bench = online()
    bench.do((now) => bench.link.request(now, { kind: 'buddy-request', to: 'bob', note: '' }))

    bench.pass(5_000)
    bench.said('ping')
    bench.pass(2_999)
    assert.ok(bench.link.isOnline)
    bench.pass(1)

    assert.equal(bench.link.isOnline, false)
  })

  it('doubts nothing while anything is heard', () => {
    const bench = online()
    bench.do((now) => bench.link.request(now, { kind: 'buddy-request', to: 'bob', note: '' }))
    bench.pass(4_000)
    bench.say({ kind: 'ping', id: 1 })
    bench.takeOutputs()

    bench.pass(10_000)

    assert.deepEqual(bench.takeOutputs(), [])
    assert.ok(bench.link.isOnline)
  })
})

describe('ServerLink, coming back', () => {
  it('waits between nothing and a ceiling that doubles, on every seed', () => {
    for (let seed = 0; seed < 200; seed++) {
      const bench = started({}, seed)
      for (const ceiling of [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
        bench.takeOutputs()
        bench.disconnected('connection refused')

        const { why, text, retryInMs } = offlineOf(bench)

        assert.deepEqual([why, text], ['unreachable', 'connection refused'])
        assert.ok(retryInMs >= 0 && retryInMs < ceiling)
        assert.equal(bench.machine.pollTimeout(), bench.now + retryInMs)
        bench.pass(retryInMs)
        assert.deepEqual(bench.takeOutputs(), ['connect'])
      }
    }
  })

  it('takes 30 s without a connection for none', () => {
    const bench = started()

    bench.pass(29_999)
    assert.deepEqual(bench.takeEvents(), [])
    bench.pass(1)

    assert.equal(offlineOf(bench).why, 'unreachable')
    assert.equal(bench.takeOutputs().at(-1), 'disconnect')
  })

  it('forgets old failures after a minute online, and only then', () => {
    const ceilingAfter = (onlineMs: number): number => {
      const waits = Array.from({ length: 200 }, (_, seed) => {
        const bench = started({ savedSecret: secret }, seed)
        for (let failures = 0; failures < 6; failures++) {
          bench.disconnected()
          bench.pass(offlineOf(bench).retryInMs)
        }
        bench.connected()
        logIn(bench, 600_000)
        bench.pass(onlineMs)
        bench.takeEvents()
        bench.disconnected()
        return offlineOf(bench).retryInMs
      })
      return Math.max(...waits)
    }

    assert.ok(ceilingAfter(60_001) < 500)
    assert.ok(ceilingAfter(59_000) > 10_000)
  })

  it('does not fight back when it was replaced', () => {
    const bench = online()

    bench.say({ kind: 'goodbye', reason: 'replaced', retryAfterMs: 0 })
    bench.disconnected()
    bench.pass(3_600_000)

    assert.deepEqual(bench.takeEvents(), [{ kind: 'replaced' }])
    assert.deepEqual(bench.takeOutputs(), ['disconnect'])
  })

  it('stays away when the account is gone or was logged out elsewhere', () => {
    for (const reason of ['deleted', 'logged-out'] as const) {
      const bench = online()

      bench.say({ kind: 'goodbye', reason, retryAfterMs: 0 })

      const event = bench.takeEvent()
      assert.ok(event.kind === 'refused')
      assert.equal(event.code, reason)
      assert.equal(bench.machine.pollTimeout(), undefined)
    }
  })

  it('spreads its return over the time that a restarting server asked for', () => {
    const waits = Array.from({ length: 300 }, (_, seed) => {
      const bench = online(30_000, seed)
      bench.say({ kind: 'goodbye', reason: 'restarting', retryAfterMs: 10_000 })
      const { why, retryInMs } = offlineOf(bench)
      assert.equal(why, 'restarting')
      return retryInMs
    })

    assert.ok(waits.every((wait) => wait >= 10_000 && wait < 20_000))
    assert.ok(Math.min(...waits) < 11_000 && Math.max(...waits) > 19_000)
  })

  it('comes back at a random time of the spread that a restarting server names', () => {
    const waits = Array.from({ length: 300 }, (_, seed) => {
      const bench = online(30_000, seed)
      const goodbye = { kind: 'goodbye', reason: 'restarting', retryAfterMs: 2_000 } as const
      bench.say({ ...goodbye, spreadMs: 20_000 })
      return offlineOf(bench).retryInMs
    })

    assert.ok(waits.every((wait) => wait >= 2_000 && wait < 22_000))
    assert.ok(Math.min(...waits) < 4_000 && Math.max(...waits) > 20_000)
  })

  it('tries again after a while where the administrator has disabled the account', () => {
    const bench = online()

    bench.say({ kind: 'goodbye', reason: 'disabled', retryAfterMs: 600_000 })

    const { why, retryInMs } = offlineOf(bench)
    assert.equal(why, 'disabled')
    assert.ok(retryInMs >= 600_000 && retryInMs < 1_200_000)
  })

  it('comes back after a goodbye for protocol-error or timeout', () => {
    for (const reason of ['protocol-error', 'timeout'] as const) {
      const bench = online()

      bench.say({ kind: 'goodbye', reason, retryAfterMs: 0 })

      const { why, retryInMs } = offlineOf(bench)
      assert.equal(why, 'ended')
      assert.ok(retryInMs < 500)
    }
  })

  it('tries at once when the network has changed', () => {
    const bench = started()
    for (let failures = 0; failures < 8; failures++) {
      bench.disconnected()
      bench.pass(offlineOf(bench).retryInMs)
    }
    bench.disconnected()
    bench.takeOutputs()

    bench.do((now) => bench.link.networkChanged(now, OWN))
    bench.do((now) => bench.link.networkChanged(now, OWN))

    assert.deepEqual(bench.takeOutputs(), ['connect', 'connect'])
  })

  it('waits half a second at most when the network is back, whatever it waited for', () => {
    const bench = started()
    for (let failures = 0; failures < 12; failures++) {
      bench.disconnected()
      bench.pass(offlineOf(bench).retryInMs)
    }
    bench.disconnected()
    bench.takeOutputs()

    bench.do((now) => bench.link.networkBack(now))
    const atOnce = bench.takeOutputs()
    bench.pass(500)

    assert.deepEqual(atOnce, [])
    assert.deepEqual(bench.takeOutputs(), ['connect'])
  })

  it('gives up a connection whose first question was lost, and no younger one', () => {
    const bench = started()
    bench.takeOutputs()
    bench.pass(999)
    bench.do((now) => bench.link.networkBack(now))
    assert.deepEqual(bench.takeOutputs(), [])
    bench.pass(1)

    bench.do((now) => bench.link.networkBack(now))
    bench.pass(500)

    assert.deepEqual(bench.takeOutputs(), ['disconnect', 'connect'])
  })

  it('waits as long as the server asked for, network or not', () => {
    const bench = online()
    bench.say({ kind: 'goodbye', reason: 'restarting', retryAfterMs: 7_000 })
    bench.takeOutputs()

    bench.do((now) => bench.link.networkBack(now))
    bench.pass(6_999)

    assert.deepEqual(bench.takeOutputs(), [])
  })

  it('gives a session 3 s that the network may have cost, and does not wait when it is lost', () => {
    const bench = online()

    bench.do((now) => bench.link.networkBack(now))
    bench.pass(3_000)

    assert.deepEqual(
      bench.takeOutputs().map((output) => (typeof output === 'object' ? output.kind : output)),
      ['ping', 'disconnect', 'connect'],
    )
  })
})

describe('ServerLink, stopping', () => {
  it('logs out and closes when that is answered', () => {
    for (const answer of ['ok', 'error', 'goodbye', 'closed'] as const) {
      const bench = online()
      bench.do((now) => bench.link.stop(now))
      const { id } = bench.said('logout')
      assert.deepEqual(bench.takeEvents(), [])

      if (answer === 'ok') bench.say({ kind: 'ok', id })
      else if (answer === 'error') bench.say({ kind: 'error', id, code: 'temporary', text: '' })
      else if (answer === 'closed') bench.disconnected()
      else bench.say({ kind: 'goodbye', reason: 'logged-out', retryAfterMs: 0 })

      assert.deepEqual(bench.takeEvent(), { kind: 'stopped' })
      assert.equal(bench.machine.pollTimeout(), undefined)
    }
  })

  it('closes after 2 s where that is not answered', () => {
    const bench = online()
    bench.do((now) => bench.link.stop(now))
    bench.do((now) => bench.link.stop(now))
    bench.takeOutputs()

    bench.pass(1_999)
    assert.deepEqual(bench.takeEvents(), [])
    bench.pass(1)

    assert.deepEqual(bench.takeEvent(), { kind: 'stopped' })
    assert.deepEqual(bench.takeOutputs(), ['disconnect'])
  })

  it('is stopped at once where there is no session', () => {
    const idle = benchOf()
    const connecting = started()
    const waiting = started()
    waiting.disconnected()
    for (const bench of [idle, connecting, greeted(), waiting]) {
      bench.takeEvents()
      bench.do((now) => bench.link.stop(now))

      assert.deepEqual(bench.takeEvent(), { kind: 'stopped' })
      assert.equal(bench.machine.pollTimeout(), undefined)
    }
    assert.equal(connecting.takeOutputs().at(-1), 'disconnect')
  })

  it('does not take up a connection that comes after it was stopped', () => {
    const bench = started()
    bench.do((now) => bench.link.stop(now))
    bench.takeOutputs()

    bench.connected()

    assert.deepEqual(bench.takeOutputs(), ['disconnect'])
    bench.sayBytes(encodeFrame(Buffer.from('<ok id="1"/>')))
  })

  it('answers open requests, and can be started again', () => {
    const bench = online()
    const id = bench.do((now) => bench.link.request(now, report))

    bench.do((now) => bench.link.stop(now))

    const event = bench.takeEvent()
    assert.ok(event.kind === 'answered' && event.id === id && event.error !== undefined)
    bench.pass(2_000)
    bench.takeOutputs()
    bench.do((now) => bench.link.start(now))
    bench.do((now) => bench.link.start(now))
    assert.deepEqual(bench.takeOutputs(), ['connect'])
  })
})
