/** How slow guessing a password is made: argon2id's parameters (RFC 9106), and which ones are acceptable. */

/** Memory in KiB, passes over it, lanes filled in parallel: RFC 9106's m, t, p. */
export interface PasswordHashing {
  readonly memoryKiB: number
  readonly passes: number
  readonly lanes: number
}

/** OWASP's first recommendation for argon2id: 19 MiB and two passes, about 12 ms of a core. */
export const DEFAULT_HASHING: PasswordHashing = { memoryKiB: 19_456, passes: 2, lanes: 1 }

// Below the default a hostile server could have us make a verifier that is cheap to guess; above these it could
// exhaust the client.
const MOST_MEMORY_KIB = 262_144 // 256 MiB
const MOST_PASSES = 16
const MOST_LANES = 16

/** Whether these parameters are neither too weak to protect nor too costly to compute. */
export function isAcceptableHashing({ memoryKiB, passes, lanes }: PasswordHashing): boolean {
  return (
    isWithin(memoryKiB, DEFAULT_HASHING.memoryKiB, MOST_MEMORY_KIB) &&
    isWithin(passes, DEFAULT_HASHING.passes, MOST_PASSES) &&
    isWithin(lanes, 1, MOST_LANES)
  )
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
