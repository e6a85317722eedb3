/**
 * Gateways count the seconds since they last lost their mappings and put the count into every answer. A count that
 * does not fit the previous one means: what we had mapped is gone. PCP and NAT-PMP judge differently.
 */
import type { Instant } from '../../core/instant.ts'

interface Reading {
  readonly at: Instant
  readonly seconds: number
}

type Judge = (previous: Reading, current: Reading) => boolean

export class EpochWatch {
  readonly #isLost: Judge
  #previous: Reading | undefined

  constructor(isLost: Judge) {
    this.#isLost = isLost
  }

  /** Takes the count of an answer. True when the gateway has lost its mappings since the answer before. */
  read(now: Instant, seconds: number): boolean {
    const previous = this.#previous
    const current = { at: now, seconds }
    this.#previous = current
    return previous !== undefined && this.#isLost(previous, current)
  }
}

/** RFC 6887 §8.5: back by more than a second, or the two clocks differ by more than 1/16 and 2 s. */
export function isPcpEpochLost(previous: Reading, current: Reading): boolean {
  if (current.seconds < previous.seconds - 1) return true
  const client = (current.at - previous.at) / 1000
  const server = current.seconds - previous.seconds
  return client + 2 < server - server / 16 || server + 2 < client - client / 16
}

/** RFC 6886 §3.6: more than 2 s behind what 7/8 of our own clock makes plausible. */
export function isNatPmpEpochLost(previous: Reading, current: Reading): boolean {
  const client = (current.at - previous.at) / 1000
  return current.seconds < previous.seconds + (client * 7) / 8 - 2
}
