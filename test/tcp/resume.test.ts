import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { sessionResumeStatement } from '../../src/crypto/device-statement.ts'
import { verifySignature } from '../../src/crypto/identity.ts'
import { presenceDigest } from '../../src/tcp/presence-digest.ts'
import type { ServerLinkOptions } from '../../src/tcp/server-link.ts'
import {
  deviceKeys,
  exporter,
  nextPass,
  pass,
  resumed,
  ScriptedLogin,
} from './support/link-bench.ts'
import { resuming, type ResumingBench as Bench } from './support/resuming-link.ts'

const presence = presenceDigest([{ number: 10002, state: 'away', text: 'lunch' }])
const refusal = { kind: 'error', code: 'resume-refused', text: 'Log in' } as const

function opened(options: Partial<ServerLinkOptions> = {}): Bench {
  return resuming({ known: () => ({ roster: '57-3f2a9c0b17d4e856', presence }), ...options })
}

/** Lets the back-off pass, and connects again. */
function reconnect(bench: Bench): void {
  bench.takeOutputs()
  bench.pass(2_000)
  assert.deepEqual(bench.takeOutputs(), ['connect'])
  bench.connected()
}

function logIn(bench: Bench): void {
  const server = new ScriptedLogin(bench.said('hello').scram)
  bench.say(server.challenge)
  bench.say(server.outcome(bench.said('response').scram))
}

describe('ServerLink, resuming', () => {
  it('says what it had: ticket, list and presence, signed for this very connection', () => {
    const said = opened().said('resume')

    assert.deepEqual(Uint8Array.from(said.ticket), pass.ticket)
    assert.deepEqual(Uint8Array.from(said.presence), Uint8Array.from(presence))
    assert.deepEqual(
      [said.version, said.client, said.roster],
      [1, 'hollerd/0.1.0', '57-3f2a9c0b17d4e856'],
    )
    const statement = sessionResumeStatement(exporter, pass.ticket)
    assert.ok(verifySignature(deviceKeys.identity, statement, said.deviceSignature))
  })

  it('is online when the server has proved itself, and comes back with the new ticket', () => {
    const bench = opened()

    bench.say(resumed())
    const event = bench.takeEvent()
    bench.disconnected()
    reconnect(bench)

    assert.ok(event.kind === 'online' && event.welcome.kind === 'resumed')
    assert.deepEqual(Uint8Array.from(bench.said('resume').ticket), nextPass.ticket)
  })

  it('believes no server that does not know the key of its ticket', () => {
    const bench = opened()

    bench.say(resumed(pass, new Uint8Array(32)))

    const event = bench.takeEvent()
    assert.ok(event.kind === 'refused' && event.code === 'server-unproven')
    assert.equal(bench.link.counters.violations, 1)
  })

  it('logs in on the same connection when it is refused, by a server of today or of yesterday', () => {
    for (const code of ['resume-refused', 'unsupported'] as const) {
      const bench = opened()

      bench.say({ ...refusal, code })
      logIn(bench)

      assert.ok(bench.link.isOnline, code)
      assert.equal(bench.said('response').roster, '57-3f2a9c0b17d4e856')
      assert.ok(!bench.outputs.includes('disconnect'))
    }
  })

  it('tries the same ticket again after a connection that broke before the answer', () => {
    const bench = opened()

    bench.disconnected()
    reconnect(bench)

    assert.deepEqual(Uint8Array.from(bench.said('resume').ticket), pass.ticket)
    bench.say(refusal)
    bench.disconnected()
    reconnect(bench)
    assert.ok(!bench.outputs.some((said) => typeof said === 'object' && said.kind === 'resume'))
  })

  it('takes `resumed` for an answer to nothing else', () => {
    const bench = opened()

    bench.say(refusal)
    bench.say(resumed())

    const event = bench.takeEvents().at(-1)
    assert.ok(event?.kind === 'offline' && event.why === 'violation')
  })

  it('forgets its ticket when it logs out, and when another has taken its place', () => {
    for (const end of ['logout', 'replaced'] as const) {
      const bench = opened()
      bench.say(resumed())

      if (end === 'logout') {
        bench.do((now) => bench.link.stop(now))
        bench.say({ kind: 'ok', id: bench.said('logout').id })
      } else bench.say({ kind: 'goodbye', reason: 'replaced', retryAfterMs: 0 })
      bench.takeOutputs()
      bench.do((now) => bench.link.start(now))
      bench.connected()

      assert.equal(bench.said('hello').version, 1)
    }
  })
})

describe('ServerLink, suspending', () => {
  it('says so, and closes when that is answered', () => {
    const bench = opened()
    bench.say(resumed())
    bench.takeEvents()

    bench.do((now) => bench.link.suspend(now))
    assert.deepEqual(bench.takeEvents(), [])
    bench.say({ kind: 'ok', id: bench.said('suspend').id })

    assert.deepEqual(bench.takeEvent(), { kind: 'stopped' })
    assert.equal(bench.outputs.at(-1), 'disconnect')
  })

  it('does not wait longer than 2 s', () => {
    const bench = opened()
    bench.say(resumed())
    bench.takeEvents()

    bench.do((now) => bench.link.suspend(now))
    bench.pass(2_000)

    assert.deepEqual(bench.takeEvent(), { kind: 'stopped' })
  })
})

describe('presenceDigest()', () => {
  it('is the same in any order, and another one for any other state, text or number', () => {
    const a = { number: 10002, state: 'away', text: 'lunch' } as const
    const b = { number: 10003, state: 'online', text: '' } as const
    const hex = (...entries: Parameters<typeof presenceDigest>[0][]): string =>
      Buffer.from(presenceDigest(entries.flatMap((each) => [...each]))).toString('hex')

    assert.equal(hex([a, b]), hex([b, a]))
    const all = [
      [],
      [a],
      [b],
      [a, b],
      [{ ...a, text: 'lunch ' }, b],
      [{ ...a, state: 'busy' as const }, b],
      [{ ...a, number: 10004 }, b],
      [{ ...a, text: `lunch"]\n[10003,"online",""]` }],
    ]
    assert.equal(new Set(all.map((entries) => hex(entries))).size, all.length)
  })

  it('is the first half of SHA-256 over the lines that docs/protocol/server.md describes', () => {
    const entries = [
      { number: 10003, state: 'online', text: '' },
      { number: 10002, state: 'away', text: 'lunch' },
    ] as const

    assert.equal(
      Buffer.from(presenceDigest(entries)).toString('hex'),
      createHash('sha256')
        .update('[10002,"away","lunch"]\n[10003,"online",""]')
        .digest('hex')
        .slice(0, 32),
    )
  })
})
