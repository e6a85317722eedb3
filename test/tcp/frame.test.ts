import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { encodeFrame, FrameDecoder } from '../../src/tcp/frame.ts'

const payloads = [Buffer.from('<ping id="1"/>'), Buffer.from('x'), Buffer.alloc(300, 7)]
const stream = Buffer.concat(payloads.map(encodeFrame))

function pushAll(decoder: FrameDecoder, pushes: readonly Uint8Array[]): readonly Buffer[] {
  return pushes.flatMap((bytes) => {
    const frames = decoder.push(bytes)
    assert.ok(frames.ok, frames.ok ? '' : frames.why)
    return frames.value.map((frame) => Buffer.from(frame)) // copied: valid until the next push
  })
}

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

describe('encodeFrame()', () => {
  it('puts a big-endian length of 4 bytes in front', () => {
    assert.deepEqual(encodeFrame(Buffer.from('abc')), Buffer.from('\0\0\0\u0003abc'))
  })
})

describe('FrameDecoder', () => {
  it('gives the frames back, cut at every byte', () => {
    for (let at = 0; at <= stream.length; at++) {
      const decoder = new FrameDecoder(300)

      assert.deepEqual(pushAll(decoder, [stream.subarray(0, at), stream.subarray(at)]), payloads)
      assert.equal(decoder.isMidFrame, false)
    }
  })

  it('gives the frames back, byte by byte', () => {
    const bytes = Array.from(stream, (byte) => Uint8Array.of(byte))

    assert.deepEqual(pushAll(new FrameDecoder(300), bytes), payloads)
  })

  it('gives the frames back, cut anywhere', () => {
    const drawn = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 20 })
    fc.assert(
      fc.property(drawn, fc.array(fc.nat(200)), (frames, cuts) => {
        const whole = Buffer.concat(frames.map(encodeFrame))
        const places = cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b)
        const pushes = [0, ...places].map((from, index) => {
          return Uint8Array.from(whole.subarray(from, places[index] ?? whole.length))
        })

        assert.deepEqual(
          pushAll(new FrameDecoder(50), pushes),
          frames.map((frame) => Buffer.from(frame)),
        )
      }),
    )
  })

  it('keeps nothing of the bytes it was lent', () => {
    const decoder = new FrameDecoder(300)
    const lent = Uint8Array.from(stream.subarray(0, 10))

    decoder.push(lent)
    lent.fill(0xff)

    assert.deepEqual(pushAll(decoder, [stream.subarray(10)]), payloads)
  })

  it('does not spoil frames that it handed out in the same push', () => {
    const frames = new FrameDecoder(300).push(Buffer.concat([stream, stream.subarray(0, 9)]))

    assert.ok(frames.ok)
    assert.deepEqual(
      frames.value.map((frame) => Buffer.from(frame)),
      payloads,
    )
  })

  it('says whether a frame has begun and not ended', () => {
    const decoder = new FrameDecoder(300)

    assert.equal(decoder.isMidFrame, false)
    decoder.push(stream.subarray(0, 1))
    assert.equal(decoder.isMidFrame, true)
    decoder.push(stream.subarray(1, 18))
    assert.equal(decoder.isMidFrame, false)
  })

  it('takes a frame of exactly the limit and refuses a longer one at its header', () => {
    assert.deepEqual(pushAll(new FrameDecoder(3), [header(3), Buffer.from('abc')]).length, 1)
    for (const length of [4, 0x7fffffff, 0x80000000, 0xffffffff]) {
      assert.deepEqual(new FrameDecoder(3).push(header(length)), {
        ok: false,
        why: 'frame longer than the limit',
      })
    }
  })

  it('refuses an empty frame', () => {
    assert.deepEqual(new FrameDecoder(3).push(header(0)), { ok: false, why: 'empty frame' })
  })

  it('stays refused: nobody knows where the next frame begins', () => {
    const decoder = new FrameDecoder(3)

    decoder.push(header(4))

    assert.deepEqual(decoder.push(encodeFrame(Buffer.from('abc'))), {
      ok: false,
      why: 'frame longer than the limit',
    })
  })

  it('lets the limit be raised after the login', () => {
    const decoder = new FrameDecoder(3)

    decoder.limitBytes = 300

    assert.deepEqual(pushAll(decoder, [stream]), payloads)
  })

  it('sets aside no memory for what a header only announces', () => {
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 1000 }, () => new FrameDecoder(1024 * 1024))
    for (const decoder of decoders) decoder.push(header(1024 * 1024))

    assert.ok(process.memoryUsage().arrayBuffers - before < 10 * 1024 * 1024)
  })
})
