import assert from 'node:assert/strict'
import { type Instant, instant } from '../../src/core/instant.ts'
import { CandidatePair } from '../../src/traversal/candidate-pair.ts'
import type { PathKind } from '../../src/traversal/path-choice.ts'
import { isClearlyBetter, scoreOf } from '../../src/traversal/path-choice.ts'
import { PathSelection } from '../../src/traversal/path-selection.ts'
import { at } from './puppet.ts'

const NOW = instant(0)

function pair(pathKind: PathKind, rttMs: number | undefined, address = '192.0.2.1'): CandidatePair {
  const kind = pathKind === 'relay' ? 'relay' : 'server-reflexive'
  const made = new CandidatePair(kind, pathKind, { to: at(address) })
  if (rttMs !== undefined) made.noteAnswer(NOW, rttMs, at('198.51.100.1'), 15_000)
  return made
}

function measure(subject: CandidatePair, rttMs: number, times: number, now: Instant = NOW): void {
  for (let i = 0; i < times; i++) subject.noteAnswer(now, rttMs, at('198.51.100.1'), 15_000)
}

describe('scoreOf()', () => {
  it('adds jitter, loss and the tier to the round trip', () => {
    assert.equal(scoreOf(pair('direct', 50)), 50)
    assert.equal(scoreOf(pair('lan', 50)), 30)
    assert.equal(scoreOf(pair('relay', 50)), 90)
    assert.equal(scoreOf(pair('direct', 50, '2001:db8::1')), 47)
    assert.equal(scoreOf(pair('direct', undefined)), undefined)
  })

  it('forgives one lost question of twenty and takes 100 ms for each further one', () => {
    const lossy = pair('direct', 50)
    lossy.quality.noteLoss()
    assert.equal(scoreOf(lossy), 50)
    lossy.quality.noteLoss()
    assert.equal(scoreOf(lossy), 150)
  })
})

describe('isClearlyBetter()', () => {
  it('wants more than 5 ms, and more than a tenth', () => {
    assert.ok(!isClearlyBetter(pair('direct', 15), pair('direct', 20)))
    assert.ok(isClearlyBetter(pair('direct', 14), pair('direct', 20)))
    assert.ok(!isClearlyBetter(pair('direct', 181), pair('direct', 200)))
    assert.ok(isClearlyBetter(pair('direct', 179), pair('direct', 200)))
  })
})

describe('PathSelection', () => {
  it('takes the relay at once, the first direct pair at once, a second one only when it is better three times', () => {
    const selection = new PathSelection()
    const [relay, first, second] = [pair('relay', 30), pair('direct', 50), pair('direct', 20)]

    selection.offer(NOW, relay)
    assert.equal(selection.current, relay)
    selection.offer(NOW, first)
    assert.equal(selection.current, first)
    selection.offer(NOW, second)
    assert.equal(selection.current, first)
    for (let sample = 0; sample < 2; sample++) selection.noteSample(NOW, second, [])
    assert.equal(selection.current, first)
    selection.noteSample(NOW, second, [])

    assert.equal(selection.current, second)
  })

  it('yields to the relay when a direct path is slower, and comes back only when it is better again', () => {
    const selection = new PathSelection()
    const [relay, direct] = [pair('relay', 30), pair('direct', 200)]
    selection.offer(NOW, relay)
    selection.offer(NOW, direct)

    for (let sample = 0; sample < 3; sample++) selection.noteSample(NOW, relay, [])
    assert.equal(selection.current, relay)
    selection.offer(NOW, direct)
    assert.equal(selection.current, relay)
    measure(direct, 20, 60)
    for (let sample = 0; sample < 3; sample++) selection.noteSample(NOW, direct, [])

    assert.equal(selection.current, direct)
  })

  it('takes the best that is left when the chosen one is lost', () => {
    const selection = new PathSelection()
    const [relay, first, second] = [
      pair('relay', undefined),
      pair('direct', 50),
      pair('direct', 20),
    ]
    selection.offer(NOW, relay)
    selection.offer(NOW, first)

    selection.lose(NOW, [relay, second])
    assert.equal(selection.current, second)
    selection.lose(NOW, [relay])
    assert.equal(selection.current, relay)
    selection.lose(NOW, [])

    assert.equal(selection.current, undefined)
  })

  it('asks soon where another path looks better', () => {
    const selection = new PathSelection()
    const [direct, relay] = [pair('direct', 200), pair('relay', 30)]
    selection.offer(NOW, direct)
    const heartbeat = relay.heartbeat
    assert.ok(heartbeat !== undefined && heartbeat.dueAt > 50)

    selection.noteSample(instant(50), direct, [relay])

    assert.equal(heartbeat.dueAt, 50)
  })
})
