/**
 * Remembers which addresses and ports have lately asked our STUN service and been answered: a client that names such
 * an address as its own has at least not invented it.
 *
 * A table of fixed size without a record for each source: an entry is a fingerprint and a time, at a place that a
 * keyed hash of the address chooses. Who comes later takes the place, so a flood makes it forget, never grow.
 */
import { asBuffer, utf8 } from '../core/bytes.ts'
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import { hmacSha256 } from '../crypto/hash.ts'

/** Daemons ask every 20 to 26 s, and before each introduction; NATs keep a mapping for two minutes at most unasked. */
export const WITNESS_MS = 120_000

/** 768 KiB in all. With 10,000 daemons asking, one in seven has lost its place; most need no witness anyway. */
const PLACES = 65_536

export class StunWitness {
  readonly #key: Uint8Array
  readonly #fingerprints = new Uint32Array(PLACES)
  readonly #seenAt = new Float64Array(PLACES).fill(Number.NEGATIVE_INFINITY)

  constructor(key: Uint8Array) {
    this.#key = key
  }

  note(now: Instant, seen: Endpoint): void {
    const { place, fingerprint } = this.#hash(seen)
    this.#fingerprints[place] = fingerprint
    this.#seenAt[place] = now
  }

  has(now: Instant, named: Endpoint): boolean {
    const { place, fingerprint } = this.#hash(named)
    const seenAt = this.#seenAt[place] ?? Number.NEGATIVE_INFINITY
    return this.#fingerprints[place] === fingerprint && now - seenAt <= WITNESS_MS
  }

  #hash(subject: Endpoint): { readonly place: number; readonly fingerprint: number } {
    const hash = asBuffer(hmacSha256(this.#key, utf8(keyOf(subject))))
    return { place: hash.readUInt16BE(0), fingerprint: hash.readUInt32BE(2) }
  }
}
