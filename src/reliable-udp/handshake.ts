/**
 * The Noise handshake inside handshake packets. What both roles share is here.
 *
 *     IK   initial ───────────►            XX   initial ───────────►
 *          ◄──────────── response               ◄──────────── response
 *          data ──────────────►                 final ─────────────►
 *          ◄──────────────── data               ◄──────────────── data
 *
 * Initials and responses are padded to 1,200 bytes, so that a path too narrow for the rest is found at once and a
 * stranger's initial is worth no amplification. Both sides send again what was not answered. Nothing that arrives can
 * harm a handshake but the passing of time: what does not authenticate is dropped, a duplicate is answered as before.
 * The responder counts itself connected only when something arrives under the new keys, since IK's first message may
 * be a replay.
 */
import { concatBytes, utf8 } from '../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../core/decoded.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Random } from '../core/random.ts'
import type { StaticKey } from '../crypto/static-key.ts'
import { type HandshakePattern, PROTOCOL_VERSION } from './handshake-packet.ts'
import type { DirectionKeys } from './packet-protection.ts'
import type { Path } from './path.ts'
import type { RetryTokens } from './retry-token.ts'
import {
  decodeTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from './transport-parameters.ts'
import { ByteReader, ByteWriter } from './varint.ts'

/** An initial of 1,200 bytes leaves this much beside keys, tags, header and parameters. */
export const MAX_HANDSHAKE_PAYLOAD_BYTES = 900

/** A peer that was just introduced answers within a second or not at all; relays and lost packets get the rest. */
export const HANDSHAKE_TIMEOUT_MS = 15_000

/**
 * RFC 9002 §6.2.2 would wait a second. A handshake that is behind a hole punch knows that its peer is there, and 1,200
 * bytes a second harm nobody: so 0.3 s, doubling to 1 s.
 */
const FIRST_RETRY_MS = 300
const LONGEST_RETRY_MS = 1000

export interface HandshakeOptions {
  readonly staticKey: StaticKey
  /** What both sides know and must agree on; the protocol version is added to it. */
  readonly prologue: Uint8Array
  /** Ours, handed to the peer's application when the handshake is complete. At most `MAX_HANDSHAKE_PAYLOAD_BYTES`. */
  readonly payload: Uint8Array
  readonly parameters: TransportParameters
  readonly random: Random
  /** Refuses a peer before anything is concluded from it: the handshake goes on waiting for the right one. */
  readonly accept?: (remoteStatic: Uint8Array, payload: Uint8Array) => boolean
  /** Shared by the responders of one endpoint; else each has its own. */
  readonly retryTokens?: RetryTokens
}

/** What a finished handshake gives. */
export interface Established {
  readonly keys: DirectionKeys
  readonly remoteStatic: Uint8Array
  readonly payload: Uint8Array
  readonly parameters: TransportParameters
  /** Measured on a packet that was sent once; `undefined` when it was sent again (Karn's rule). */
  readonly rttMs: number | undefined
}

export interface HandshakeDatagram {
  /** `undefined`: the connection's current path. */
  readonly path: Path | undefined
  readonly bytes: Uint8Array
}

export interface Handshake {
  readonly deadline: Instant | undefined
  /** Nothing came of it in time. */
  readonly hasFailed: boolean
  /** Why, for people. */
  readonly failure: string
  /** `packet` is one whole handshake packet. */
  handlePacket(now: Instant, packet: Uint8Array, from: Path): void
  /** We were away: the answer may lie unread. */
  handleAbsence(now: Instant): void
  handleTimeout(now: Instant): void
  pollDatagram(): HandshakeDatagram | undefined
}

/** When to send again: a little ladder of delays. */
export class RetrySchedule {
  #tries = 0
  #deadline: Instant | undefined
  #lastAt: Instant | undefined

  get tries(): number {
    return this.#tries
  }

  get deadline(): Instant | undefined {
    return this.#deadline
  }

  get lastAt(): Instant | undefined {
    return this.#lastAt
  }

  handleSent(now: Instant): void {
    this.#deadline = after(now, Math.min(FIRST_RETRY_MS * 2 ** this.#tries, LONGEST_RETRY_MS))
    this.#tries += 1
    this.#lastAt = now
  }

  isDue(now: Instant): boolean {
    return this.#deadline !== undefined && this.#deadline <= now
  }

  /** A round trip, if the answer can only be to the one packet that was sent. */
  rttAt(now: Instant): number | undefined {
    return this.#tries === 1 && this.#lastAt !== undefined ? now - this.#lastAt : undefined
  }

  stop(): void {
    this.#deadline = undefined
  }
}

/** Version and pattern stand in unprotected headers: mixed in here, a change of either fails the handshake. */
export function boundPrologue(pattern: HandshakePattern, prologue: Uint8Array): Uint8Array {
  return concatBytes(utf8(`holler reliable-udp ${PROTOCOL_VERSION} ${pattern}`), prologue)
}

export function encodeHandshakePayload(
  parameters: TransportParameters,
  payload: Uint8Array,
): Uint8Array {
  const encoded = encodeTransportParameters(parameters)
  const writer = new ByteWriter(new Uint8Array(2 + encoded.length + payload.length))
  writer.unsigned(encoded.length, 2)
  writer.raw(encoded)
  writer.raw(payload)
  return writer.bytes
}

export function decodeHandshakePayload(bytes: Uint8Array): Decoded<{
  readonly parameters: TransportParameters
  readonly payload: Uint8Array
}> {
  const reader = new ByteReader(bytes)
  const encoded = reader.take(reader.unsigned(2))
  if (reader.isBroken) return malformed('handshake payload too short')
  const parameters = decodeTransportParameters(encoded)
  if (!parameters.ok) return parameters
  const payload = Uint8Array.from(reader.take(reader.remaining))
  return decoded({ parameters: parameters.value, payload })
}
