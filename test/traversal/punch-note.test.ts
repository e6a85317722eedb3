import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  ANSWER_BYTES,
  decodeNoteFrame,
  decodeProbe,
  encodeNoteFrame,
  encodeProbe,
  NOTE_BODY_BYTES,
  probeKey,
} from '../../src/traversal/probe.ts'
import {
  decodePunchNote,
  encodePunchNote,
  type PunchNote,
  sameStrategy,
} from '../../src/traversal/punch-note.ts'
import type { Strategy } from '../../src/traversal/strategy.ts'
import { at, KEY } from './puppet.ts'

const strategies: readonly Strategy[] = [
  { kind: 'punch' },
  { kind: 'fresh-sockets' },
  { kind: 'predict', active: 'initiator' },
  { kind: 'predict', active: 'responder' },
  { kind: 'predict-both' },
  { kind: 'birthday', active: 'initiator' },
  { kind: 'birthday', active: 'responder' },
  { kind: 'block-spray' },
]

const notes: fc.Arbitrary<PunchNote> = fc.record(
  {
    number: fc.integer({ min: 0, max: 65_535 }),
    strategy: fc.constantFrom(...strategies),
    isReady: fc.boolean(),
    hasHeard: fc.boolean(),
    isDone: fc.boolean(),
    port: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
  },
  { noNullPrototype: true },
)

const frame = { from: 'initiator', sequence: 7, body: new Uint8Array(NOTE_BODY_BYTES) } as const

describe('encodePunchNote() and decodePunchNote()', () => {
  it('are inverse', () => {
    fc.assert(
      fc.property(notes, (note) => {
        assert.deepEqual(decodePunchNote(encodePunchNote(note)), { ok: true, value: note })
      }),
    )
  })

  it('write what is drawn', () => {
    const note = { number: 0x0102, strategy: { kind: 'birthday', active: 'responder' } } as const
    const rest = { isReady: true, hasHeard: false, isDone: true, port: 0xabcd }

    const bytes = encodePunchNote({ ...note, ...rest })

    assert.equal(Buffer.from(bytes).toString('hex'), `01028405abcd${'00'.repeat(28)}`)
  })

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        decodePunchNote(bytes)
        decodeNoteFrame(KEY, 'initiator', bytes)
      }),
    )
  })
})

describe('a note’s frame', () => {
  it('has 64 bytes and is opened by the other side alone', () => {
    const bytes = encodeNoteFrame(KEY, frame)
    const stranger = probeKey(new Uint8Array(32).fill(9))

    assert.equal(bytes.length, ANSWER_BYTES)
    assert.ok(decodeNoteFrame(KEY, 'initiator', bytes).ok)
    assert.ok(!decodeNoteFrame(KEY, 'responder', bytes).ok)
    assert.ok(!decodeNoteFrame(stranger, 'initiator', bytes).ok)
    for (let index = 0; index < bytes.length; index++) {
      const forged = Uint8Array.from(bytes)
      forged[index] = (forged[index] ?? 0) ^ 1
      assert.ok(!decodeNoteFrame(KEY, 'initiator', forged).ok, `byte ${index}`)
    }
  })

  it('is no probe, and no probe is one', () => {
    const probe = encodeProbe(KEY, {
      kind: 'response',
      from: 'initiator',
      sequence: 1,
      transaction: '00'.repeat(12) as Parameters<typeof encodeProbe>[1]['transaction'],
      sentAtMs: 0,
      seen: at('192.0.2.1'),
    })

    assert.ok(!decodeProbe(KEY, 'initiator', encodeNoteFrame(KEY, frame)).ok)
    assert.ok(!decodeNoteFrame(KEY, 'initiator', probe).ok)
  })
})

describe('sameStrategy()', () => {
  it('tells all of them apart', () => {
    for (const [i, a] of strategies.entries()) {
      for (const [j, b] of strategies.entries()) assert.equal(sameStrategy(a, b), i === j)
    }
  })
})
