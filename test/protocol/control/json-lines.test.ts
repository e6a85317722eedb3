import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { asBuffer, utf8 } from '../../../src/core/bytes.ts'
import {
  encodeJsonLine,
  JsonLineDecoder,
  LINE_TOO_LONG,
  type LineResult,
} from '../../../src/protocol/control/json-lines.ts'

function readAll(
  text: string | Uint8Array,
  decoder = new JsonLineDecoder(),
): readonly LineResult[] {
  return decoder.push(typeof text === 'string' ? utf8(text) : text)
}

const notJson = { ok: false, why: 'not JSON' }
const notUtf8 = { ok: false, why: 'not UTF-8' }

describe('JsonLineDecoder', () => {
  it('gives back every value, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 5 }),
        fc.array(fc.nat()),
        (values, cuts) => {
          const stream = Buffer.concat(values.map(encodeJsonLine))
          const decoder = new JsonLineDecoder()
          const results: LineResult[] = []
          let from = 0
          const places = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b)
          for (const to of [...places, stream.length]) {
            results.push(...decoder.push(stream.subarray(from, to)))
            from = to
          }

          assert.deepEqual(
            results.map((result) => (result.ok ? JSON.stringify(result.value) : result.why)),
            values.map((value) => JSON.stringify(value)),
          )
        },
      ),
    )
  })

  it('tells a bad line and goes on with the next', () => {
    const results = readAll('{"a":1}\n{"a":\n[1]\nnull\n')

    assert.deepEqual(results, [
      { ok: true, value: { a: 1 } },
      notJson,
      { ok: true, value: [1] },
      { ok: true, value: null },
    ])
  })

  it('takes blank lines for nothing and a carriage return for a blank', () => {
    assert.deepEqual(readAll('\n\r\n  \n1\r\n'), [{ ok: true, value: 1 }])
  })

  it('refuses what is not UTF-8, a byte order mark, NUL and binary', () => {
    const bytes = Buffer.concat([
      Buffer.from([0x22, 0xff, 0x22, 0x0a]),
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22, 0x0a]),
      Buffer.from([0x22, 0xc0, 0x80, 0x22, 0x0a]),
      Buffer.from('\ufeff1\n'),
      Buffer.from('"\0"\n'),
    ])

    assert.deepEqual(readAll(bytes), [notUtf8, notUtf8, notUtf8, notJson, notJson])
  })

  it('takes a line of exactly the limit', () => {
    const decoder = new JsonLineDecoder(8)

    assert.deepEqual(readAll('"123456"\n', decoder), [{ ok: true, value: '123456' }])
  })

  it('tells a line too long once, as soon as it is, and skips its rest', () => {
    const decoder = new JsonLineDecoder(8)

    assert.deepEqual(readAll('"1234567', decoder), [])
    assert.deepEqual(readAll('8', decoder), [{ ok: false, why: LINE_TOO_LONG }])
    assert.deepEqual(readAll('9'.repeat(100), decoder), [])
    assert.deepEqual(readAll('"\n1\n', decoder), [{ ok: true, value: 1 }])
  })

  it('keeps a line that comes byte by byte', () => {
    const decoder = new JsonLineDecoder()
    const line = encodeJsonLine({ text: 'x'.repeat(5000) })
    const results: LineResult[] = []
    for (const byte of line) results.push(...decoder.push(Uint8Array.of(byte)))

    assert.deepEqual(results, [{ ok: true, value: { text: 'x'.repeat(5000) } }])
  })

  it('does not let a key of JSON reach a prototype', () => {
    const [result] = readAll('{"__proto__":{"admin":true}}\n')

    assert.ok(result?.ok)
    assert.equal(({} as Record<string, unknown>)['admin'], undefined)
    assert.equal((result.value as Record<string, unknown>)['admin'], undefined)
  })

  it('survives a line of brackets', () => {
    const open = '['.repeat(500_000)

    assert.deepEqual(readAll(`${open}\n1\n`), [notJson, { ok: true, value: 1 }])
    assert.equal(readAll(`${open}${']'.repeat(500_000)}\n`).length, 1)
  })

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pushes) => {
        const decoder = new JsonLineDecoder(64)
        for (const bytes of pushes) decoder.push(bytes)
      }),
    )
  })
})

describe('encodeJsonLine()', () => {
  it('writes one line of UTF-8, whatever the text', () => {
    const line = asBuffer(encodeJsonLine('a\nb\u2028\ud800\0'))

    assert.equal(line.toString(), '"a\\nb\u2028\\ud800\\u0000"\n')
    assert.equal(line.indexOf(0x0a), line.length - 1)
  })
})
