import { integerBetween } from '../../src/core/random.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

/** Copies of the samples with some bytes changed, cut, or grown: the same ones in each run. */
export function* mutations(samples: readonly Uint8Array[], count: number): Generator<Uint8Array> {
  const random = new SeededRandom(5769)
  for (let run = 0; run < count; run++) {
    const sample = samples[run % samples.length] ?? new Uint8Array()
    const length = run % 7 === 0 ? integerBetween(random, 0, sample.length + 4) : sample.length
    const bytes = new Uint8Array(length)
    bytes.set(sample.subarray(0, length))
    for (let change = integerBetween(random, 1, 4); change > 0; change--) {
      const [value = 0, entropy = 0] = random.bytes(2)
      // Half of the changes hit the header and the first attribute, where lengths and types are.
      const end = entropy < 128 ? Math.min(28, length) : length
      if (end > 0) bytes[integerBetween(random, 0, end - 1)] = value
    }
    yield bytes
  }
}
