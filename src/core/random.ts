/** A source of unpredictable bytes; in simulations a seeded one, so that a failing run can be replayed. */
export interface Random {
  bytes(count: number): Uint8Array
}

/** A uniform number in [0, 1) with 48 bits. */
export function uniform(random: Random): number {
  let value = 0
  for (const byte of random.bytes(6)) value = value * 256 + byte
  return value / 2 ** 48
}

/** A uniform integer in [low, high], both ends included. */
export function integerBetween(random: Random, low: number, high: number): number {
  return low + Math.floor(uniform(random) * (high - low + 1))
}

/** Fisher-Yates: a new array in random order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items]
  for (let last = result.length - 1; last > 0; last--) {
    const other = integerBetween(random, 0, last)
    const moved = result[last] as T
    result[last] = result[other] as T
    result[other] = moved
  }
  return result
}
