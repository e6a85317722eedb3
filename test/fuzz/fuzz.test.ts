import assert from 'node:assert/strict'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { decoded, malformed } from '../../src/core/decoded.ts'
import { checkInput, describeFailure, fuzz } from '../../scripts/fuzz/fuzz.ts'
import { codecCheck, type FuzzTarget } from '../../scripts/fuzz/target.ts'
import { targets } from '../../scripts/fuzz/targets.ts'

/** A codec of one length byte and so many bytes; `more` breaks it. */
function target(more: Partial<FuzzTarget>): FuzzTarget {
  return {
    name: 'test/lengths',
    about: '',
    format: 'binary',
    inputs: () => [fromHex('03616263'), fromHex('00')],
    check: (bytes) => bytes.length > 0 && bytes.length > (bytes[0] ?? 0),
    ...more,
  }
}

const options = { seed: 7, runs: 5000 }

describe('fuzz()', () => {
  it('goes through all runs of a decoder that keeps its promises', () => {
    const report = fuzz(target({}), options)

    assert.equal(report.failure, undefined)
    assert.equal(report.runs, 5000)
    assert.ok(report.understood > 500)
  })

  it('gives the same inputs for the same seed, and others for another', () => {
    const inputsOf = (seed: number): string => {
      const seen: string[] = []
      fuzz(target({ check: (bytes) => seen.push(toHex(bytes)) > 0 }), { seed, runs: 100 })
      return seen.join()
    }

    assert.equal(inputsOf(1), inputsOf(1))
    assert.notEqual(inputsOf(1), inputsOf(2))
  })

  it('finds a decoder that throws, and shows the shortest input that does it', () => {
    const check = (bytes: Uint8Array): boolean => {
      if (bytes.length > 1 && (bytes[1] ?? 0) >= 0x80) throw new RangeError('oh')
      return true
    }
    const broken = target({ check })
    const { failure } = fuzz(broken, options)

    assert.ok(failure !== undefined)
    assert.equal(failure.input.length, 2)
    assert.match(describeFailure(broken, failure), /--input ..[89a-f]/)
  })

  it('finds a codec that does not read what it writes, or writes it otherwise', () => {
    const decode = (bytes: Uint8Array): ReturnType<typeof decoded<number>> =>
      bytes.length < 4 ? decoded(bytes.length) : malformed('too long')
    const grows = codecCheck(decode, (length) => new Uint8Array(length + 1))
    const forgets = codecCheck(decode, () => new Uint8Array(9))

    assert.match(String(fuzz(target({ check: grows }), options).failure?.error), /differs/)
    assert.match(String(fuzz(target({ check: forgets }), options).failure?.error), /not understood/)
  })

  it('finds a decoder that changes its input', () => {
    const check = (bytes: Uint8Array): boolean => {
      bytes[0] = 0
      return true
    }

    assert.match(String(fuzz(target({ check }), options).failure?.error), /changed its input/)
  })
})

describe('checkInput()', () => {
  it('finds a decoder that is slow each time, and forgives a busy machine', () => {
    const clock = (...durations: readonly number[]): (() => number) => {
      const readings = durations.flatMap((ms, index) => [1000 * index, 1000 * index + ms])
      return () => readings.shift() ?? 0
    }
    const check = (...durations: readonly number[]): boolean =>
      checkInput(target({}), utf8('a'), clock(...durations))

    assert.throws(() => check(300, 280, 300, 300), /280 ms for one input/)
    assert.equal(check(300, 300, 10, 300), false)
    assert.equal(check(10), false)
  })
})

describe('The decoders', () => {
  for (const each of targets) {
    it(`${each.name}: reads what is well-formed, and whatever else`, () => {
      const report = fuzz(each, { seed: 1, runs: 60, seconds: 2 })

      assert.equal(report.failure, undefined)
      assert.ok(report.understood > 0)
    })
  }
})
