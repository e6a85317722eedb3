import { randomBytes } from 'node:crypto'
import type { Random } from '../core/random.ts'

/** The kernel's random bytes. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
}
