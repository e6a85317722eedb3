import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { type Instant, instant } from '../../src/core/instant.ts'
import { socketNamed } from '../../src/core/machine.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import type { StunMessage, WritableAttribute } from '../../src/stun/message.ts'
import { rfc8489Schedule, type StunOutcome, StunTransactions } from '../../src/stun/transactions.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { ipv4, ipv6 } from './endpoints.ts'
import { mutations } from './mutations.ts'

const server = ipv4('203.0.113.1', 3478)
const other = ipv4('203.0.113.2', 3479)
const mapped = ipv4('198.51.100.1', 61234)

function transactions(): StunTransactions {
  return new StunTransactions({ random: new SeededRandom(1) })
}

/** Lets virtual time run, as a driver would: returns when each datagram left, and what came of it. */
function run(
  subject: StunTransactions,
  untilMs: number,
): { sentAt: number[]; events: StunOutcome[] } {
  const sentAt: number[] = []
  let now: Instant = instant(0)
  for (;;) {
    while (subject.pollTransmit() !== undefined) sentAt.push(now)
    const next = subject.pollTimeout()
    if (next === undefined || next > untilMs) return { sentAt, events: drain(subject) }
    now = next
    subject.handleTimeout(now)
  }
}

function drain(subject: StunTransactions): StunOutcome[] {
  const events: StunOutcome[] = []
  for (let event = subject.pollEvent(); event !== undefined; event = subject.pollEvent()) {
    events.push(event)
  }
  return events
}

function requestFrom(subject: StunTransactions): StunMessage {
  const transmit = subject.pollTransmit()
  assert.ok(transmit !== undefined)
  const request = decodeStun(transmit.bytes)
  assert.ok(request.ok)
  return request.value
}

function success(request: StunMessage, ...extra: WritableAttribute[]): Uint8Array {
  const attributes: WritableAttribute[] = [
    { kind: 'xor-mapped-address', endpoint: mapped },
    ...extra,
  ]
  return encodeStun({ ...request, messageClass: 'success', attributes })
}

/** Answers the one pending request from `from`, and tells what came of it. */
function answerFrom(from: Endpoint, acceptFrom?: readonly Endpoint[]): StunOutcome[] {
  const subject = transactions()
  subject.request(instant(0), { server, ...(acceptFrom === undefined ? {} : { acceptFrom }) })
  const request = requestFrom(subject)
  subject.handleDatagram(instant(40), from, success(request))
  return drain(subject)
}

describe('StunTransactions', () => {
  it('sends at the times of RFC 8489 §6.2.1 and gives up 16 RTOs after the last', () => {
    const subject = transactions()
    const id = subject.request(instant(0), { server })

    const before = run(subject, 39_499)
    assert.deepEqual(before.sentAt, [0, 500, 1500, 3500, 7500, 15_500, 31_500])
    assert.deepEqual(before.events, [])

    subject.handleTimeout(instant(39_500))
    assert.deepEqual(drain(subject), [{ kind: 'timed-out', id, sends: 7, isPromised: false }])
    assert.equal(subject.pollTimeout(), undefined)
  })

  it('follows another schedule where one is given', () => {
    const subject = transactions()
    const schedule = { sendAtMs: [0, 250, 500, 1000, 2000], giveUpAtMs: 3000 }
    const id = subject.request(instant(0), { server, schedule })

    const { sentAt, events } = run(subject, 10_000)

    assert.deepEqual(sentAt, [0, 250, 500, 1000, 2000])
    assert.deepEqual(events, [{ kind: 'timed-out', id, sends: 5, isPromised: false }])
  })

  it('takes RTO, Rc and Rm of a schedule from RFC 8489 §6.2.1', () => {
    assert.deepEqual(rfc8489Schedule({ rtoMs: 100, rc: 3, rm: 2 }), {
      sendAtMs: [0, 100, 300],
      giveUpAtMs: 500,
    })
  })

  it('sends once, not in a burst, when it is woken late', () => {
    const subject = transactions()
    subject.request(instant(0), { server })
    assert.ok(subject.pollTransmit() !== undefined)

    subject.handleTimeout(instant(4000))

    assert.ok(subject.pollTransmit() !== undefined)
    assert.equal(subject.pollTransmit(), undefined)
    assert.equal(subject.pollTimeout(), 7500)
  })

  it('tells the mapped address, the source and the time of an answer', () => {
    const [outcome, ...more] = answerFrom(server)

    assert.equal(more.length, 0)
    assert.ok(outcome?.kind === 'answered')
    assert.deepEqual(outcome.mapped, mapped)
    assert.deepEqual([outcome.from, outcome.rttMs, outcome.sends], [server, 40, 1])
  })

  it('believes MAPPED-ADDRESS where an old server has nothing better', () => {
    const subject = transactions()
    subject.request(instant(0), { server })
    const request = requestFrom(subject)
    const attributes = [{ kind: 'mapped-address', endpoint: mapped }] as const

    subject.handleDatagram(
      instant(1),
      server,
      encodeStun({ ...request, messageClass: 'success', attributes }),
    )

    const [outcome] = drain(subject)
    assert.deepEqual(outcome?.kind === 'answered' && outcome.mapped, mapped)
  })

  it('ignores an answer from an address that was not asked', () => {
    assert.deepEqual(answerFrom(other), [])
    assert.deepEqual(answerFrom({ ...server, port: 3479 }), [])
    assert.deepEqual(answerFrom(ipv6('2001:db8::1', 3478)), [])
  })

  it('takes it from another address that the asker named', () => {
    assert.equal(answerFrom(other, [server, other]).length, 1)
    assert.equal(answerFrom(server, [other]).length, 0)
  })

  it('ignores an answer on another socket than the one that asked', () => {
    const subject = transactions()
    subject.request(instant(0), { server, via: socketNamed('a') })
    const answer = success(requestFrom(subject))

    subject.handleDatagram(instant(1), server, answer)
    subject.handleDatagram(instant(1), server, answer, socketNamed('b'))
    assert.deepEqual(drain(subject), [])
    subject.handleDatagram(instant(2), server, answer, socketNamed('a'))

    const [outcome] = drain(subject)
    assert.equal(outcome?.kind === 'answered' && outcome.via, 'a')
  })

  it('takes it on another socket that the asker named, and there alone', () => {
    const subject = transactions()
    const [asks, hears] = [socketNamed('a'), socketNamed('b')]
    subject.request(instant(0), { server, via: asks, acceptVia: hears })
    const answer = success(requestFrom(subject))

    subject.handleDatagram(instant(1), server, answer, asks)
    assert.deepEqual(drain(subject), [])
    subject.handleDatagram(instant(2), server, answer, hears)

    const [outcome] = drain(subject)
    assert.equal(outcome?.kind === 'answered' && outcome.via, hears)
  })

  it('sends with the time-to-live that is asked for', () => {
    const subject = transactions()
    subject.request(instant(0), { server, ttl: 3 })
    subject.request(instant(0), { server })

    assert.deepEqual([subject.pollTransmit()?.ttl, subject.pollTransmit()?.ttl], [3, undefined])
  })

  it('is not disturbed by garbage, forgeries and duplicates', () => {
    const subject = transactions()
    subject.request(instant(0), { server })
    const request = requestFrom(subject)
    const answer = success(request)

    for (const garbage of mutations([answer], 2000)) {
      if (!Buffer.from(garbage).equals(answer)) subject.handleDatagram(instant(1), other, garbage)
    }
    subject.handleDatagram(instant(1), server, Uint8Array.of(1, 2, 3))
    subject.handleDatagram(instant(1), server, encodeStun({ ...request, attributes: [] }))
    assert.deepEqual(drain(subject), [])
    assert.equal(subject.pollTimeout(), 500)

    subject.handleDatagram(instant(2), server, answer)
    subject.handleDatagram(instant(3), server, answer)
    assert.equal(drain(subject).length, 1)
    assert.ok(subject.ignored > 1900)
  })

  it('tells a refusal with its code', () => {
    const subject = transactions()
    const id = subject.request(instant(0), { server })
    const request = requestFrom(subject)
    const attributes = [{ kind: 'error-code', code: 420, reason: 'Unknown Attribute' }] as const

    subject.handleDatagram(
      instant(1),
      server,
      encodeStun({ ...request, messageClass: 'error', attributes }),
    )

    const [outcome] = drain(subject)
    assert.ok(outcome?.kind === 'refused')
    assert.deepEqual([outcome.id, outcome.code], [id, 420])
    assert.equal(subject.pollTimeout(), undefined)
  })

  it('ignores an answer with an attribute that must be understood and is not', () => {
    const subject = transactions()
    subject.request(instant(0), { server })
    const strange = { kind: 'unknown', type: 0x7abc, value: new Uint8Array() } as const

    subject.handleDatagram(instant(1), server, success(requestFrom(subject), strange))

    assert.deepEqual(drain(subject), [])
  })

  it('forgets a cancelled request', () => {
    const subject = transactions()
    const id = subject.request(instant(0), { server })

    subject.cancel(id)

    assert.equal(subject.isPending(id), false)
    assert.equal(subject.pollTimeout(), undefined)
  })
})
