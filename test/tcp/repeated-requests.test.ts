import assert from 'node:assert/strict'
import type { ServerErrorCode } from '../../src/protocol/server/messages.ts'
import type { ServerLinkEvent, ServerRequest } from '../../src/tcp/server-link-event.ts'
import { nextPass, resumed } from './support/link-bench.ts'
import { resuming, type ResumingBench as Bench } from './support/resuming-link.ts'

const ask = { kind: 'buddy-request', to: 'bob', note: 'Hello' } as const
const remove = { kind: 'buddy-remove', number: 10002 } as const
const takeKeys = { kind: 'take-keys', of: 10002, count: 1 } as const

/** Online by a ticket, of which the next session is `nextPass`. */
function online(): Bench {
  const bench = resuming()
  bench.say(resumed())
  bench.takeEvents()
  bench.takeOutputs()
  return bench
}

function comeBack(bench: Bench): void {
  bench.pass(2_000)
  bench.connected()
  bench.takeOutputs()
  bench.say(resumed(nextPass))
}

function request(bench: Bench, message: ServerRequest): number {
  return bench.do((now) => bench.link.request(now, message))
}

function refusal(
  id: number,
  code: ServerErrorCode,
): Extract<ServerLinkEvent, { kind: 'answered' }> {
  return { kind: 'answered', id, error: { kind: 'error', id, code, text: 'No' } }
}

describe('ServerLink, requests that a lost session left unanswered', () => {
  it('asks them again in the next session, in their order and before all others', () => {
    const bench = online()
    const ids = [request(bench, ask), request(bench, remove)]

    bench.disconnected()
    const events = bench.takeEvents()
    comeBack(bench)
    const later = request(bench, { kind: 'search', name: 'carol' })

    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['offline'],
    )
    assert.deepEqual(
      bench.takeOutputs().map((output) => typeof output === 'object' && [output.kind, output]),
      [
        ['buddy-request', { ...ask, id: ids[0] }],
        ['buddy-remove', { ...remove, id: ids[1] }],
        ['search', { kind: 'search', name: 'carol', id: later }],
      ],
    )
    for (const id of ids) bench.say({ kind: 'ok', id })
    assert.deepEqual(bench.takeEvents().slice(1), [
      { kind: 'answered', id: ids[0] },
      { kind: 'answered', id: ids[1] },
    ])
  })

  it('takes a refusal that says it was done the first time for a yes, and no other one', () => {
    for (const [message, code, other] of [
      [ask, 'already-buddies', 'not-found'],
      [remove, 'not-buddies', 'temporary'],
      [{ kind: 'buddy-reject', number: 10002 }, 'not-found', 'temporary'],
      [{ kind: 'buddy-unblock', number: 10002 }, 'not-found', 'temporary'],
    ] as const) {
      const bench = online()
      const first = request(bench, message)
      bench.say({ kind: 'error', id: first, code, text: 'No' })
      const ids = [request(bench, message), request(bench, message)] as const
      bench.disconnected()
      comeBack(bench)
      bench.say({ kind: 'error', id: ids[0], code, text: 'No' })
      bench.say({ kind: 'error', id: ids[1], code: other, text: 'No' })

      const answers = bench.takeEvents().filter(({ kind }) => kind === 'answered')

      assert.deepEqual(answers, [
        refusal(first, code),
        { kind: 'answered', id: ids[0] },
        refusal(ids[1], other),
      ])
    }
  })

  it('leaves those alone that belong to one session, or whose owner begins anew', () => {
    const bench = online()
    const id = request(bench, takeKeys)

    bench.disconnected()
    const [answered] = bench.takeEvents()
    comeBack(bench)

    assert.ok(answered?.kind === 'answered' && answered.id === id)
    assert.equal(answered.error?.code, 'temporary')
    assert.deepEqual(bench.takeOutputs(), [])
  })

  it('gives up 30 s after the first asking, online or not', () => {
    const bench = online()
    const id = request(bench, ask)
    bench.pass(1_000)

    bench.disconnected()
    bench.takeEvents()
    for (let tries = 0; tries < 28; tries++) {
      bench.pass(1_000)
      bench.disconnected()
    }
    const early = bench.takeEvents().filter(({ kind }) => kind === 'answered')
    bench.pass(1_000)

    const [answered] = bench.takeEvents().filter(({ kind }) => kind === 'answered')
    assert.deepEqual(early, [])
    assert.ok(answered?.kind === 'answered' && answered.id === id)
    assert.equal(answered.error?.code, 'temporary')
    comeBack(bench)
    assert.deepEqual(bench.takeOutputs(), [])
  })

  it('doubts the next session too, where that does not answer them', () => {
    const bench = online()
    request(bench, ask)
    bench.disconnected()
    comeBack(bench)
    bench.takeEvents()

    bench.pass(8_000)

    assert.equal(bench.takeEvent().kind, 'offline')
  })
})
