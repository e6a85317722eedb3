import type { Random } from '../../src/core/random.ts'

/**
 * xoshiro128** behind the core's `Random`: the same seed gives the same bytes on every machine and for ever, so a
 * failing world can be run again. Not for secrets.
 */
export class SeededRandom implements Random {
  readonly seed: number
  readonly #state: [number, number, number, number]

  constructor(seed: number) {
    this.seed = seed
    this.#state = expanded(seed)
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at += 4) {
      const word = this.#next()
      for (let i = 0; i < 4 && at + i < count; i++) bytes[at + i] = word >>> (8 * i)
    }
    return bytes
  }

  /** A stream of its own by name: what one part of a world draws never shifts what another part sees. */
  fork(name: string): SeededRandom {
    let seed = this.seed ^ 0x9e3779b9
    for (const character of name) {
      seed = Math.imul(seed ^ (character.codePointAt(0) ?? 0), 0x01000193) // FNV-1a
    }
    return new SeededRandom(seed >>> 0)
  }

  #next(): number {
    const s = this.#state
    const result = Math.imul(rotated(Math.imul(s[1], 5), 7), 9) >>> 0
    const shifted = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = rotated(s[3], 11)
    return result
  }
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}

/** splitmix32: neighbouring seeds give unrelated states, and never the all-zero one. */
function expanded(seed: number): [number, number, number, number] {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  }
  return [next(), next(), next(), next() | 1]
}
