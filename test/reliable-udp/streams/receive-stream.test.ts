import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { ReceiveStream } from '../../../src/reliable-udp/streams/receive-stream.ts'
import type { StreamId } from '../../../src/reliable-udp/streams/stream-id.ts'
import { contents } from '../traffic.ts'

const id = 4 as StreamId

function give(
  stream: ReceiveStream,
  offset: number,
  length: number,
  isLast = false,
): string | undefined {
  return stream.handleData(offset, contents(id, offset, length), 0, length, isLast)?.text
}

describe('ReceiveStream', () => {
  it('gives bytes in order and once, however they come', () => {
    const piece = fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 120 }))
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 40 }),
        fc.integer({ min: 1, max: 200 }),
        (pieces, step) => {
          const stream = new ReceiveStream(id, 1000)
          let at = 0
          const readAll = (): void => {
            for (;;) {
              const bytes = stream.read(step)
              if (bytes === undefined) return
              assert.deepEqual(Uint8Array.from(bytes), contents(id, at, bytes.length))
              at += bytes.length
            }
          }
          for (const [offset, length] of pieces) {
            assert.equal(give(stream, offset, Math.min(length, 500 - offset)), undefined)
            readAll()
          }
          for (let offset = 0; offset < 500; offset += 50) give(stream, offset, 50, offset === 450)
          readAll()
          assert.equal(at, 500)
          assert.equal(stream.isFinished, true)
        },
      ),
    )
  })

  it('tells once that there is something to read', () => {
    const stream = new ReceiveStream(id, 1000)
    give(stream, 10, 10)
    assert.equal(stream.takeReadableNews(), false)
    give(stream, 0, 10)
    assert.equal(stream.takeReadableNews(), true)
    give(stream, 20, 10)
    assert.equal(stream.takeReadableNews(), false)

    stream.read(30)

    assert.equal(stream.takeReadableNews(), false)
    give(stream, 30, 10)
    assert.equal(stream.takeReadableNews(), true)
  })

  it('refuses more than its window', () => {
    const stream = new ReceiveStream(id, 100)

    assert.equal(give(stream, 0, 100), undefined)
    assert.equal(give(stream, 100, 1), 'more than the stream window allows')
  })

  it('refuses a final size that changes, or bytes beyond it', () => {
    const changed = 'the final size of a stream changed'
    const stream = new ReceiveStream(id, 1000)
    assert.equal(give(stream, 50, 50, true), undefined)
    assert.equal(give(stream, 0, 10, true), changed)
    assert.equal(give(stream, 90, 11), changed)
    assert.equal(stream.handleReset(99)?.text, changed)
    assert.equal(give(stream, 50, 50, true), undefined)

    const early = new ReceiveStream(id, 1000)
    give(early, 0, 100)
    assert.equal(give(early, 0, 50, true), changed)
  })

  it('ends at once where there was nothing', () => {
    const stream = new ReceiveStream(id, 1000)
    give(stream, 0, 0, true)

    assert.equal(stream.isFinished, true)
    assert.equal(stream.read(100), undefined)
  })

  it('a reset drops what was not read', () => {
    const stream = new ReceiveStream(id, 1000)
    give(stream, 0, 100)
    stream.read(30)

    assert.equal(stream.handleReset(400), undefined)

    assert.equal(stream.isFinished, true)
    assert.equal(stream.read(100), undefined)
    assert.equal(stream.discard(), 370)
  })

  it('a reset after everything was read changes nothing', () => {
    const stream = new ReceiveStream(id, 1000)
    give(stream, 0, 100, true)
    stream.read(100)

    stream.handleReset(100)

    assert.equal(stream.isReset, false)
  })
})
