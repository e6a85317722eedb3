import assert from 'node:assert/strict'
import { type Instant, instant } from '../../src/core/instant.ts'
import {
  type AttemptSubject,
  MAX_REMEMBERED,
  PunchBudget,
  type Refusal,
} from '../../src/traversal/punch-budget.ts'

const HOUR_MS = 3_600_000

const birthday: AttemptSubject = {
  peer: '10002',
  networks: '192.0.2.1 198.51.100.1',
  strategy: { kind: 'birthday', active: 'initiator' },
}
const predict: AttemptSubject = { ...birthday, strategy: { kind: 'predict', active: 'initiator' } }

function fail(budget: PunchBudget, at: Instant, subject: AttemptSubject): void {
  assert.equal(budget.refusal(at, subject), undefined)
  budget.begin(at, subject)
  budget.end(at, subject, true)
}

function why(refusal: Refusal | undefined): string {
  return refusal?.why ?? 'allowed'
}

describe('PunchBudget', () => {
  it('allows one birthday attempt at a time, whoever the peer is, and others beside it', () => {
    const budget = new PunchBudget()
    const now = instant(0)
    budget.begin(now, birthday)

    assert.equal(why(budget.refusal(now, { ...birthday, peer: '10003', networks: 'x' })), 'busy')
    assert.equal(why(budget.refusal(now, { ...predict, peer: '10003' })), 'allowed')

    budget.end(now, birthday, false)
    assert.equal(why(budget.refusal(now, { ...birthday, peer: '10003', networks: 'x' })), 'allowed')
  })

  it('allows two birthday attempts with a peer in an hour, however they end', () => {
    const budget = new PunchBudget()
    for (const at of [0, 1000]) {
      budget.begin(instant(at), birthday)
      budget.end(instant(at), birthday, false)
    }

    assert.deepEqual(budget.refusal(instant(2000), birthday), {
      why: 'too-many',
      until: instant(HOUR_MS),
    })
    assert.equal(why(budget.refusal(instant(HOUR_MS), birthday)), 'allowed')
  })

  it('waits a second after a failure, then two, and after the third an hour', () => {
    const budget = new PunchBudget()
    fail(budget, instant(0), predict)
    assert.equal(why(budget.refusal(instant(999), predict)), 'backing-off')
    fail(budget, instant(1000), predict)
    assert.equal(why(budget.refusal(instant(2999), predict)), 'backing-off')
    fail(budget, instant(3000), predict)

    assert.equal(why(budget.refusal(instant(3000 + HOUR_MS - 1), predict)), 'given-up')
    assert.equal(why(budget.refusal(instant(3000 + HOUR_MS), predict)), 'allowed')
  })

  it('holds a failure against its strategy and its two networks alone, and a success against none', () => {
    const budget = new PunchBudget()
    fail(budget, instant(0), predict)
    assert.equal(why(budget.refusal(instant(1), { ...predict, networks: 'others' })), 'allowed')
    assert.equal(
      why(budget.refusal(instant(1), { ...predict, strategy: { kind: 'predict-both' } })),
      'allowed',
    )

    budget.begin(instant(1), predict)
    budget.end(instant(1), predict, false)

    assert.equal(why(budget.refusal(instant(2), predict)), 'allowed')
  })

  it('forbids all guessing where it is told to, but not fresh sockets', () => {
    const budget = new PunchBudget({ isForbidden: true })

    assert.equal(why(budget.refusal(instant(0), predict)), 'forbidden')
    assert.equal(
      why(budget.refusal(instant(0), { ...predict, strategy: { kind: 'fresh-sockets' } })),
      'allowed',
    )
  })

  it('remembers so many pairs of networks and no more', () => {
    const budget = new PunchBudget()
    for (let index = 0; index <= MAX_REMEMBERED; index++) {
      fail(budget, instant(0), { ...predict, networks: String(index) })
    }

    assert.equal(why(budget.refusal(instant(1), { ...predict, networks: '0' })), 'allowed')
    assert.equal(why(budget.refusal(instant(1), { ...predict, networks: '1' })), 'backing-off')
  })
})
