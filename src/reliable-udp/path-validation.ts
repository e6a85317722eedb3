/**
 * Which path packets go to, and how another one is found to be the peer's (RFC 9000 §8.2, §9).
 *
 * A side that was never told a path follows the peer; one that was told (`moveTo`) stays, and follows only where the
 * same address shows another port, which is what a NAT does that forgot its mapping. Either way the new address has to
 * answer a challenge first, gets no more than three times what came from it until then, and data goes on to the old
 * path meanwhile.
 */
import { copyOf, equalBytes } from '../core/bytes.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Random } from '../core/random.ts'
import { PATH_DATA_BYTES } from './frame.ts'
import { AMPLIFICATION_LIMIT } from './handshake-responder.ts'
import { BASE_DATAGRAM_BYTES, DATA_OVERHEAD_BYTES } from './packet.ts'
import { differsByPortOnly, type Path, samePath } from './path.ts'

/** RFC 9000 §8.2.4 gives up after three PTOs; each of them sees a challenge. */
const CHALLENGES = 3

/** The smallest packet with a challenge in it. */
const SMALLEST_PROBE_BYTES = DATA_OVERHEAD_BYTES + 1 + PATH_DATA_BYTES

export interface PathProbe {
  readonly path: Path
  readonly kind: 'challenge' | 'response'
  readonly data: Uint8Array
  /** The packet's length. */
  readonly bytes: number
}

interface Candidate {
  readonly path: Path
  readonly data: Uint8Array
  budgetBytes: number
  tries: number
  deadline: Instant
}

export class PathValidation {
  readonly #random: Random
  #current: Path
  #isPinned: boolean
  #candidate: Candidate | undefined
  /** One for each drain: a peer that asks more often in one datagram wants somebody else to be answered. */
  #response: { readonly path: Path; readonly data: Uint8Array; readonly bytes: number } | undefined
  #isChallengeDue = false

  constructor(random: Random, current: Path, isPinned: boolean) {
    this.#random = random
    this.#current = current
    this.#isPinned = isPinned
  }

  get current(): Path {
    return this.#current
  }

  get deadline(): Instant | undefined {
    return this.#candidate?.deadline
  }

  get hasProbe(): boolean {
    return this.#isChallengeDue || this.#response !== undefined
  }

  /** The owner knows the path to be good. */
  moveTo(path: Path): void {
    this.#current = path
    this.#isPinned = true
    this.#candidate = undefined
    this.#isChallengeDue = false
  }

  /** An authentic packet came from there. `isNewest`: none with a higher number was seen (RFC 9000 §9.3). */
  handlePacket(
    now: Instant,
    from: Path,
    packetBytes: number,
    isNewest: boolean,
    isProbing: boolean,
  ): void {
    if (samePath(from, this.#current)) return
    if (this.#candidate !== undefined && samePath(from, this.#candidate.path)) {
      this.#candidate.budgetBytes += AMPLIFICATION_LIMIT * packetBytes
      return
    }
    if (!isNewest || isProbing) return
    if (this.#isPinned && !differsByPortOnly(from, this.#current)) return
    this.#candidate = {
      path: from,
      data: copyOf(this.#random.bytes(PATH_DATA_BYTES)),
      budgetBytes: AMPLIFICATION_LIMIT * packetBytes,
      tries: 0,
      deadline: now,
    }
    this.#isChallengeDue = true
  }

  /** The answer goes where the challenge came from, and is as long as its packet (RFC 9000 §8.2.2). */
  handleChallenge(from: Path, data: Uint8Array, packetBytes: number): void {
    const bytes = Math.min(packetBytes, BASE_DATAGRAM_BYTES)
    this.#response = { path: from, data: copyOf(data), bytes }
  }

  /** The path the peer has just proven to be its own, which is the current one from now on. */
  handleResponse(
    data: Uint8Array,
  ): { readonly path: Path; readonly isRebinding: boolean } | undefined {
    const candidate = this.#candidate
    if (candidate === undefined || !equalBytes(candidate.data, data)) return undefined
    const isRebinding = differsByPortOnly(candidate.path, this.#current)
    this.#current = candidate.path
    this.#candidate = undefined
    this.#isChallengeDue = false
    return { path: candidate.path, isRebinding }
  }

  handleTimeout(): void {
    if (this.#candidate === undefined) return
    if (this.#candidate.tries >= CHALLENGES) this.#candidate = undefined
    else this.#isChallengeDue = true
  }

  pollProbe(now: Instant, ptoMs: number): PathProbe | undefined {
    const candidate = this.#candidate
    const response = this.#response
    if (response !== undefined) {
      this.#response = undefined
      if (candidate !== undefined && samePath(candidate.path, response.path)) {
        candidate.budgetBytes -= response.bytes
      }
      return { kind: 'response', ...response }
    }
    if (candidate === undefined || !this.#isChallengeDue) return undefined
    this.#isChallengeDue = false
    candidate.tries += 1
    candidate.deadline = after(now, ptoMs)
    const bytes = Math.min(candidate.budgetBytes, BASE_DATAGRAM_BYTES)
    if (bytes < SMALLEST_PROBE_BYTES) return undefined
    candidate.budgetBytes -= bytes
    return { kind: 'challenge', path: candidate.path, data: candidate.data, bytes }
  }
}
