/**
 * The relay's proof that who sends from an address also receives there, without keeping anything for it:
 *
 *     issued at (ms) 6 | first 10 bytes of HMAC-SHA256(secret, issued at, address, port)
 *
 * 80 bits are enough: a guess needs the relay to judge it, and is worth one address for two minutes.
 */
import { asBuffer, concatBytes, utf8 } from '../core/bytes.ts'
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { type Instant, instant } from '../core/instant.ts'
import { hmacSha256, timingSafeEqual } from '../crypto/hash.ts'
import { RELAY_COOKIE_BYTES } from '../protocol/relay/frames.ts'

/** Time for a client on a bad link to come back with it; after that it just gets another. */
export const COOKIE_LIFETIME_MS = 120_000

const TIME_BYTES = 6

export class RelayCookies {
  readonly #secret: Uint8Array

  /** A secret that is drawn anew with each start: cookies do not outlive the process that gave them. */
  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  issue(now: Instant, to: Endpoint): Uint8Array {
    const time = Buffer.alloc(TIME_BYTES)
    time.writeUIntBE(Math.floor(now), 0, TIME_BYTES)
    return concatBytes(time, this.#mac(time, to))
  }

  /** When it was issued, if it was issued to this address and is still good. */
  read(now: Instant, from: Endpoint, cookie: Uint8Array): Instant | undefined {
    const time = asBuffer(cookie).subarray(0, TIME_BYTES)
    const issuedAt = instant(time.readUIntBE(0, TIME_BYTES))
    if (issuedAt > now || now - issuedAt > COOKIE_LIFETIME_MS) return undefined
    const mac = this.#mac(time, from)
    return timingSafeEqual(cookie.subarray(TIME_BYTES), mac) ? issuedAt : undefined
  }

  #mac(time: Uint8Array, address: Endpoint): Uint8Array {
    const mac = hmacSha256(this.#secret, time, utf8(keyOf(address)))
    return mac.subarray(0, RELAY_COOKIE_BYTES - TIME_BYTES)
  }
}
