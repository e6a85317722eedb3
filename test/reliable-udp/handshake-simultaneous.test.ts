import { strict as assert } from 'node:assert'
import { utf8 } from '../../src/core/bytes.ts'
import type { ConnectionOptions } from '../../src/reliable-udp/connection-options.ts'
import { decodeHandshakePacket } from '../../src/reliable-udp/handshake-packet.ts'
import type { LinkConditions } from '../sim/link.ts'
import { seeds } from '../sim/simulate.ts'
import { addressA, addressB, Pair, type Side, staticA, staticB } from './pair.ts'
import { Traffic } from './traffic.ts'

type Pattern = 'IK' | 'XX'

interface Meeting {
  readonly seed: number
  readonly a: Pattern
  readonly b: Pattern
  readonly weather?: LinkConditions
}

/** Two who both knock, or may. */
function newMeeting({ seed, a, b, weather = { latencyMs: 25 } }: Meeting): Pair {
  const knows = (pattern: Pattern, key: Uint8Array): Partial<ConnectionOptions> =>
    pattern === 'IK' ? { role: 'either', pattern, remoteStatic: key } : { role: 'either', pattern }
  return new Pair({
    seed,
    pattern: 'XX', // else the pair itself hands out keys
    weather,
    a: knows(a, staticB.publicKey),
    b: knows(b, staticA.publicKey),
  })
}

function start(pair: Pair, side: Side): void {
  pair.change(side, (now, connection) => connection.start(now))
}

function areConnected(pair: Pair): boolean {
  return pair.a.connection.state === 'connected' && pair.b.connection.state === 'connected'
}

/** The datagrams of a side that are handshake packets, by their step. */
function steps(side: Side): readonly string[] {
  return side.sent.flatMap((bytes) => {
    const packet = decodeHandshakePacket(bytes)
    return ((bytes[0] ?? 0) & 0x30) === 0 && packet.ok ? [packet.value.step] : []
  })
}

/** Both agree on everything: what one says arrives, both ways. */
function assertTalk(pair: Pair, limitMs = 60_000): void {
  const [a, b] = [new Traffic(pair, pair.a), new Traffic(pair, pair.b)]
  a.send('chat', 300)
  b.send('bulk', 20_000)
  const isDone = (): boolean => a.finishedCount === 1 && b.finishedCount === 1
  assert.ok(pair.runUntil(isDone, limitMs), 'what was said did not arrive')
}

const meetings: readonly (readonly [Pattern, Pattern])[] = [
  ['IK', 'IK'],
  ['XX', 'XX'],
  ['IK', 'XX'],
]

for (const [a, b] of meetings) {
  describe(`Handshake of two who both knock: ${a} and ${b}`, () => {
    it('is one handshake, when the initials cross, whoever has the lower key', () => {
      const winners = new Set<string>()
      for (let seed = 1; seed <= 12; seed++) {
        const pair = newMeeting({ seed, a, b })
        start(pair, pair.a)
        start(pair, pair.b)

        assert.ok(
          pair.runUntil(() => areConnected(pair), 5000),
          `seed ${seed}`,
        )
        assertTalk(pair)
        const responses = [pair.a, pair.b].filter((side) => steps(side).includes('response'))
        assert.equal(responses.length, 1, 'one initial is answered, the other is not')
        winners.add(responses[0]?.name ?? '')
        assert.deepEqual(
          pair.a.events.filter(({ kind }) => kind === 'connected'),
          [{ kind: 'connected', remoteStatic: staticB.publicKey, payload: utf8Array('I am b') }],
        )
      }
      assert.deepEqual([...winners].sort(), ['a', 'b'])
    })

    it('takes no longer than a handshake that nobody crosses', () => {
      const pair = newMeeting({ seed: 3, a, b })
      start(pair, pair.a)
      start(pair, pair.b)
      const begun = pair.now
      pair.runUntil(() => [pair.a, pair.b].some(isConnected), 5000)

      assert.equal(pair.now - begun, 50)
    })

    it('needs no second knock where the first was answered before', () => {
      const pair = newMeeting({ seed: 1, a, b })
      start(pair, pair.a)
      pair.run(30)
      start(pair, pair.b)

      assert.ok(pair.runUntil(() => areConnected(pair), 5000))
      assertTalk(pair)
      assert.ok(!steps(pair.b).includes('initial'))
    })

    it('survives that one side alone is heard at first, as behind a hole not yet punched', () => {
      for (let seed = 1; seed <= 6; seed++) {
        for (const dead of ['a', 'b'] as const) {
          const pair = newMeeting({ seed, a, b })
          pair.tamper = (from, bytes) =>
            from.name === dead && pair.now < 1_000_900 ? undefined : bytes
          start(pair, pair.a)
          start(pair, pair.b)

          assert.ok(
            pair.runUntil(() => areConnected(pair), 5000),
            `seed ${seed}, ${dead}`,
          )
          assertTalk(pair)
        }
      }
    })

    it('ends well in any weather, at any distance in time', () => {
      let unmet = 0
      const all = seeds(40)
      for (const seed of all) {
        const loss = [0, 0.05, 0.15, 0.3][seed % 4] ?? 0
        const weather = { latencyMs: 5 + (seed % 7) * 20, jitterMs: 10, loss, duplicate: 0.1 }
        const pair = newMeeting({ seed, a, b, weather })
        start(pair, pair.a)
        pair.run((seed * 37) % 400)
        start(pair, pair.b)
        // XX's initiator is connected before its last message has arrived, and so may be alone with it at the end.
        if (pair.runUntil(() => areConnected(pair), 14_000)) assertTalk(pair, 600_000)
        else unmet += 1
      }
      assert.ok(unmet <= all.length / 20, `${unmet} of ${all.length}`)
    })
  })
}

describe('Handshake of two who both knock', () => {
  it('leaves its own initial unanswered when that is thrown back', () => {
    const pair = newMeeting({ seed: 1, a: 'XX', b: 'XX' })
    pair.tamper = () => undefined
    start(pair, pair.a)
    pair.inject(pair.a, addressB, pair.a.sent[0] ?? new Uint8Array(0))

    assert.deepEqual(steps(pair.a), ['initial'])
  })

  it('goes on knocking beside strangers who knock with the lowest key there is', () => {
    const pair = newMeeting({ seed: 1, a: 'XX', b: 'XX' })
    start(pair, pair.a)
    const forged = Uint8Array.from(pair.a.sent[0] ?? [])
    forged.fill(0, 26, 57)
    forged[26] = 9 // the base point: a valid key, lower than most
    pair.inject(pair.a, addressB, forged)
    start(pair, pair.b)

    assert.ok(pair.runUntil(() => areConnected(pair), 5000))
    assertTalk(pair)
  })

  it('answers nobody but whom it wants to meet', () => {
    const pair = newMeeting({ seed: 1, a: 'IK', b: 'XX' })
    const stranger = newMeeting({ seed: 2, a: 'IK', b: 'IK' })
    stranger.a.sent.length = 0
    start(stranger, stranger.b) // knows a, and is b: the same keys
    pair.inject(pair.a, addressB, stranger.b.sent[0] ?? new Uint8Array(0))
    assert.deepEqual(steps(pair.a), ['response'])

    const other = new Pair({ seed: 3, a: { staticKey: staticA, remoteStatic: staticA.publicKey } })
    other.start()
    const wary = newMeeting({ seed: 1, a: 'IK', b: 'XX' })
    wary.inject(wary.a, addressA, other.a.sent[0] ?? new Uint8Array(0))
    assert.deepEqual(steps(wary.a), [])
  })

  it('gives up after 15 s alone', () => {
    const pair = newMeeting({ seed: 1, a: 'XX', b: 'XX' })
    pair.tamper = () => undefined
    start(pair, pair.a)
    pair.run(20_000)

    assert.deepEqual(pair.a.events.at(-1), {
      kind: 'closed',
      reason: 'handshake-failed',
      code: 0,
      text: 'no answer',
    })
    assert.ok(pair.isQuiet)
  })
})

function isConnected(side: Side): boolean {
  return side.connection.state === 'connected'
}

function utf8Array(text: string): Uint8Array {
  return Uint8Array.from(utf8(text))
}
