import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { FrameWriter } from '../../src/reliable-udp/frame-writer.ts'
import { RangeSet } from '../../src/reliable-udp/range-set.ts'
import type { StreamId } from '../../src/reliable-udp/streams/stream-id.ts'
import { collectFrames } from './frame-collector.ts'

const stream = 36 as StreamId

function written(write: (writer: FrameWriter) => void, room = 1200): Uint8Array {
  const writer = new FrameWriter(new Uint8Array(room))
  write(writer)
  assert.ok(writer.at <= room, 'nothing is written past the end')
  return writer.bytes.subarray(0, writer.at)
}

function rangesOf(...pairs: readonly (readonly [number, number])[]): RangeSet {
  const set = new RangeSet()
  for (const [start, end] of pairs) set.add(start, end)
  return set
}

describe('FrameWriter and FrameReader', () => {
  it('agree on every frame', () => {
    const id = fromHex('0102030405060708')
    const token = new Uint8Array(16).fill(9)
    const bytes = written((writer) => {
      writer.ping()
      writer.ack(rangesOf([3, 5], [7, 8], [100, 120]), 1.6)
      writer.resetStream(stream, 7, 5000)
      writer.stopSending(stream, 8)
      writer.keyUpdate(3)
      writer.maxData(2 ** 33)
      writer.maxStreamData(stream, 70_000)
      writer.maxStreams(3, 80)
      writer.newConnectionId(4, 2, id, token)
      writer.pathChallenge(id)
      writer.pathResponse(id)
      writer.datagram(fromHex('aabb'))
      writer.close(true, 17, 'good night 夜')
      writer.close(false, 10, '')
      writer.padTo(1200)
    })

    const { frames, violation } = collectFrames(bytes)

    assert.equal(bytes.length, 1200)
    assert.equal(violation, undefined)
    assert.deepEqual(frames, [
      ['ping'],
      ['ack', 1.6, [100, 120], [7, 8], [3, 5]],
      ['reset-stream', 36, 7, 5000],
      ['stop-sending', 36, 8],
      ['key-update', 3],
      ['max-data', 2 ** 33],
      ['max-stream-data', 36, 70_000],
      ['max-streams', 3, 80],
      ['new-connection-id', 4, 2, '0102030405060708'],
      ['path-challenge', '0102030405060708'],
      ['path-response', '0102030405060708'],
      ['datagram', 'aabb'],
      ['close', true, 17, 'good night 夜'],
      ['close', false, 10, ''],
    ])
  })

  it('writes a STREAM frame with its length, unless it fills the packet', () => {
    const put = (room: number, offset: number, hex: string, isLast: boolean): string =>
      toHex(
        written((writer) => {
          const data = fromHex(hex)
          writer.streamHeader(stream, offset, data.length, isLast)
          writer.raw(data)
        }, room),
      )

    assert.equal(put(100, 0, 'aabb', false), '0a' + '24' + '02' + 'aabb')
    assert.equal(put(100, 70, 'aabb', true), '0f' + '24' + '4046' + '02' + 'aabb')
    assert.equal(put(6, 70, 'aabb', false), '0c' + '24' + '4046' + 'aabb')
    assert.deepEqual(collectFrames(fromHex('0c244046aabb')).frames, [
      ['stream', 36, 70, 'aabb', false],
    ])
  })

  it('writes nothing that does not fit whole', () => {
    for (let room = 0; room < 26; room++) {
      const writer = new FrameWriter(new Uint8Array(room))
      const isWritten = writer.newConnectionId(4, 2, new Uint8Array(8), new Uint8Array(16))
      assert.equal(isWritten, false)
      assert.equal(writer.at, 0)
    }
  })

  it('cuts a reason to 256 bytes', () => {
    const { frames } = collectFrames(written((writer) => writer.close(true, 0, 'x'.repeat(1000))))

    assert.equal(frames[0]?.[3], 'x'.repeat(256))
  })

  it('cuts no character of a reason in two', () => {
    for (const letter of ['é', '€', '😀']) {
      const reason = `..${letter.repeat(200)}`
      const { frames } = collectFrames(written((writer) => writer.close(true, 0, reason)))

      assert.ok(reason.startsWith(String(frames[0]?.[3])), letter)
    }
  })
})

describe('FrameWriter.ack()', () => {
  const many = rangesOf(...Array.from({ length: 100 }, (_, i) => [i * 10, i * 10 + 3] as const))

  it('tells the newest 32 ranges', () => {
    const { frames } = collectFrames(written((writer) => writer.ack(many, 0)))

    const [ack = []] = frames
    assert.deepEqual([ack.length, ack[2], ack[33]], [2 + 32, [990, 993], [680, 683]])
  })

  it('tells as many as there is room for', () => {
    for (let room = 0; room < 90; room++) {
      const bytes = written((writer) => writer.ack(many, 0), room)
      if (bytes.length === 0) continue
      const { frames, violation } = collectFrames(bytes)
      assert.equal(violation, undefined)
      assert.deepEqual(frames[0]?.[2], [990, 993])
    }
  })

  it('says the same as the ranges, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 20 })), {
          minLength: 1,
          maxLength: 30,
        }),
        (pairs) => {
          const set = rangesOf(...pairs.map(([start, length]) => [start, start + length] as const))
          const { frames, violation } = collectFrames(written((writer) => writer.ack(set, 0)))
          assert.equal(violation, undefined)
          assert.deepEqual(frames[0]?.slice(2).reverse(), set.toPairs().slice(-32))
        },
      ),
    )
  })
})

describe('FrameReader', () => {
  const cases = [
    ['an empty packet', '', 0xa],
    ['an unknown frame', '3f', 0x7],
    ['a PATH_CHALLENGE too short', '1a010203', 0x7],
    ['an ACK of a negative packet', '02' + '05' + '00' + '00' + '06', 0x7],
    ['an ACK whose gap goes below zero', '02' + '05' + '00' + '01' + '01' + '03' + '00', 0x7],
    ['an ACK with 33 ranges', '02' + '4190' + '00' + '20' + '00' + '0000'.repeat(32), 0x7],
    ['an id that retires itself', '18' + '01' + '02' + '00'.repeat(24), 0x7],
    ['a STREAM beyond all offsets', '0e' + '00' + 'c01fffffffffffff' + '01' + 'aa', 0x7],
  ] as const
  for (const [what, hex, code] of cases) {
    it(`refuses ${what}`, () => {
      assert.equal(collectFrames(fromHex(hex)).violation?.code, code)
    })
  }

  it('hands over the frames before a broken one', () => {
    const { frames, violation } = collectFrames(fromHex('01' + '01' + '1a'))

    assert.deepEqual(frames, [['ping'], ['ping']])
    assert.equal(violation?.code, 0x7)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void collectFrames(bytes)),
      { numRuns: 2000 },
    )
  })
})
