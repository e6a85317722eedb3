import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { HollerError } from '../../src/core/holler-error.ts'
import { DEFAULT_HASHING } from '../../src/crypto/password-hashing.ts'
import { makeVerifier } from '../../src/crypto/scram.ts'
import { Registration, type RegistrationEvent } from '../../src/tcp/registration.ts'
import { LinkBench, salt, saltedPassword, welcome } from './support/link-bench.ts'

const verifier = makeVerifier(saltedPassword, salt, DEFAULT_HASHING)

function asked(invite?: string): LinkBench<RegistrationEvent> {
  const registration = new Registration({
    kind: 'register',
    handle: 'alice',
    verifier,
    ...(invite !== undefined && { invite }),
  })
  const bench = new LinkBench(registration)
  bench.do((now) => registration.start(now))
  assert.deepEqual(bench.takeOutputs(), ['connect'])
  bench.connected()
  return bench
}

describe('Registration', () => {
  it('asks once, tells the number and closes', () => {
    const bench = asked('HX4K-92QD')
    const { handle, invite, verifier: sent } = bench.said('register')
    bench.takeOutputs()

    bench.say({ kind: 'registered', number: 10001, handle: 'alice' })

    assert.deepEqual([handle, invite, sent.hashing], ['alice', 'HX4K-92QD', DEFAULT_HASHING])
    assert.deepEqual(bench.takeEvent(), { kind: 'registered', number: 10001, handle: 'alice' })
    assert.deepEqual(bench.takeOutputs(), ['disconnect'])
    assert.equal(bench.machine.pollTimeout(), undefined)
  })

  it('tells why it was refused', () => {
    const bench = asked()

    bench.say({ kind: 'error', code: 'handle-taken', text: 'There is an alice' })

    assert.deepEqual(bench.takeEvent(), {
      kind: 'refused',
      code: 'handle-taken',
      text: 'There is an alice',
    })
  })

  it('gives up after 30 s without a connection', () => {
    const registration = new Registration({ kind: 'register', handle: 'alice', verifier })
    const bench = new LinkBench(registration)
    bench.do((now) => registration.start(now))

    bench.pass(29_999)
    assert.deepEqual(bench.takeEvents(), [])
    bench.pass(1)

    assert.equal(bench.takeEvent().kind, 'failed')
  })

  it('gives up after 10 s without an answer', () => {
    const bench = asked()

    bench.pass(9_999)
    assert.deepEqual(bench.takeEvents(), [])
    bench.pass(1)

    assert.equal(bench.takeEvent().kind, 'failed')
  })

  it('fails with what the connection says', () => {
    const registration = new Registration({ kind: 'register', handle: 'alice', verifier })
    const bench = new LinkBench(registration)
    bench.do((now) => registration.start(now))

    bench.disconnected('connection refused')

    assert.deepEqual(bench.takeEvent(), { kind: 'failed', why: 'connection refused' })
    assert.equal(bench.machine.pollTimeout(), undefined)
  })

  it('fails when the connection ends before the answer', () => {
    const bench = asked()

    bench.disconnected('closed')
    bench.disconnected('closed again')

    assert.deepEqual(bench.takeEvent(), { kind: 'failed', why: 'closed' })
  })

  it('fails on whatever is not an answer, and hears nothing after it', () => {
    const answers: readonly ((bench: LinkBench<RegistrationEvent>) => void)[] = [
      (bench) => bench.say(welcome('v=x')),
      (bench) => bench.say({ kind: 'goodbye', reason: 'timeout', retryAfterMs: 0 }),
      (bench) => bench.sayDocument('<!DOCTYPE x><registered number="1" handle="x"/>'),
      (bench) => bench.sayDocument('<congratulations/>'),
      (bench) => bench.sayBytes(Uint8Array.of(0, 0, 0x10, 1)),
    ]
    for (const answer of answers) {
      const bench = asked()
      answer(bench)
      bench.say({ kind: 'registered', number: 10001, handle: 'alice' })

      assert.equal(bench.takeEvent().kind, 'failed')
    }
  })

  it('refuses a handle that cannot be sent', () => {
    for (const handle of ['', 'a\nb', 'a\0b', 'x'.repeat(65)]) {
      assert.throws(
        () => new Registration({ kind: 'register', handle, verifier }),
        (error) => error instanceof HollerError && error.code === 'INVALID_PARAMS',
      )
    }
  })
})
