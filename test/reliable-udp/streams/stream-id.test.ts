import { strict as assert } from 'node:assert'
import {
  indexOf,
  isUnidirectional,
  kindOf,
  priorityOf,
  sideOf,
  streamIdOf,
  streamKind,
  streamPriorities,
} from '../../../src/reliable-udp/streams/stream-id.ts'

describe('streamIdOf()', () => {
  it('says who opened the stream, its class and its direction', () => {
    for (const side of ['initiator', 'responder'] as const) {
      for (const priority of streamPriorities) {
        for (const direction of ['bidirectional', 'unidirectional'] as const) {
          const id = streamIdOf(side, streamKind(priority, direction), 1234)
          assert.equal(sideOf(id), side)
          assert.equal(priorityOf(id), priority)
          assert.equal(isUnidirectional(id), direction === 'unidirectional')
          assert.equal(indexOf(id), 1234)
          assert.equal(kindOf(id), streamKind(priority, direction))
        }
      }
    }
  })

  it('fits one byte for the first four streams of a kind', () => {
    assert.ok(streamIdOf('responder', streamKind('bulk', 'unidirectional'), 3) < 64)
  })
})
