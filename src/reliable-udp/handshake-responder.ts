/**
 * The responder keeps an attempt for each different initial it gets, since in XX nobody can tell a forged one from the
 * true one before the third message. The first attempt that proves itself under its keys wins. An attempt's ephemeral
 * key is derived from the initial, so the same initial always gets the same answer, even if it was forgotten meanwhile.
 */
import { copyOf, equalBytes, utf8 } from '../core/bytes.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { sha256 } from '../crypto/hash.ts'
import { NoiseHandshake } from '../crypto/noise.ts'
import { afterAbsence } from './absence.ts'
import {
  boundPrologue,
  decodeHandshakePayload,
  encodeHandshakePayload,
  type Established,
  type Handshake,
  HANDSHAKE_TIMEOUT_MS,
  type HandshakeDatagram,
  type HandshakeOptions,
  RetrySchedule,
} from './handshake.ts'
import {
  decodeHandshakePacket,
  encodeHandshakePacket,
  encodeRetry,
  encodeVersionNegotiation,
  type HandshakePacket,
  PROTOCOL_VERSION,
  RESERVED_VERSION,
} from './handshake-packet.ts'
import { HandshakeThrottle, SESSION_LIMITS } from './handshake-throttle.ts'
import { BASE_DATAGRAM_BYTES } from './packet.ts'
import { type Path, samePath } from './path.ts'
import { RetryTokens } from './retry-token.ts'

/** More true ones than one there are never; a forger who reads along and is quicker could as well drop the packets. */
const MAX_ATTEMPTS = 4

/** RFC 9000 §8.1: what an address gets that has not proven to be the peer's, per byte that came from it. */
export const AMPLIFICATION_LIMIT = 3

interface Attempt {
  readonly initial: Uint8Array
  readonly noise: NoiseHandshake
  readonly response: Uint8Array
  /** IK: complete with the initial, but perhaps a replay. XX: only after the final message. */
  readonly established: Omit<Established, 'rttMs'> | undefined
  readonly retries: RetrySchedule
  readonly expiresAt: Instant
  path: Path
  /** Bytes that may still go to that path. */
  budgetBytes: number
}

export class HandshakeResponder implements Handshake {
  readonly failure = 'nobody came'
  readonly #options: HandshakeOptions
  readonly #secret: Uint8Array
  readonly #tokens: RetryTokens
  readonly #throttle = new HandshakeThrottle(SESSION_LIMITS)
  readonly #out = new OutboundQueue<HandshakeDatagram>()
  #attempts: Attempt[] = [] // ≤ MAX_ATTEMPTS, oldest dropped
  #giveUpAt: Instant | undefined
  #final: Established | undefined
  #hasFailed = false

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#secret = options.random.bytes(32)
    this.#tokens = options.retryTokens ?? new RetryTokens(options.random)
  }

  /** Somebody knocked, and was answered. */
  get hasAttempts(): boolean {
    return this.#attempts.length > 0
  }

  /** XX: complete and proven by the final message. */
  get established(): Established | undefined {
    return this.#final
  }

  get deadline(): Instant | undefined {
    const deadlines = this.#attempts.flatMap((a) => [a.retries.deadline, a.expiresAt])
    return earliest(this.#giveUpAt, ...deadlines)
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Waits no longer than a handshake may take. Without it the responder waits for ever. */
  start(now: Instant): void {
    this.#giveUpAt = after(now, HANDSHAKE_TIMEOUT_MS)
  }

  /** IK: the keys that a data packet may prove. */
  candidates(now: Instant): readonly Established[] {
    return this.#attempts.flatMap((attempt) =>
      attempt.established === undefined
        ? []
        : [{ ...attempt.established, rttMs: attempt.retries.rttAt(now) }],
    )
  }

  /** One attempt has proven itself: the others are forgotten, nothing is sent again. */
  confirm(): void {
    this.#attempts = []
    this.#giveUpAt = undefined
  }

  // RFC 9000 §14.1 wants the datagram padded. Here it is the packet: of many short ones in a datagram, each would be
  // paid for by the whole of it.
  handlePacket(now: Instant, bytes: Uint8Array, from: Path): void {
    const packet = decodeHandshakePacket(bytes)
    if (!packet.ok || this.#final !== undefined) return
    if (packet.value.step === 'final') this.#handleFinal(now, packet.value)
    else if (packet.value.step === 'initial' && bytes.length >= BASE_DATAGRAM_BYTES) {
      this.#handleInitial(now, packet.value, bytes.length, from)
    }
  }

  handleAbsence(now: Instant): void {
    this.#giveUpAt = afterAbsence(now, this.#giveUpAt)
  }

  handleTimeout(now: Instant): void {
    if (this.#giveUpAt !== undefined && this.#giveUpAt <= now) {
      this.#hasFailed = true
      this.confirm()
      return
    }
    this.#attempts = this.#attempts.filter((attempt) => attempt.expiresAt > now)
    for (const attempt of this.#attempts) {
      if (attempt.retries.isDue(now)) this.#respond(now, attempt)
    }
  }

  pollDatagram(): HandshakeDatagram | undefined {
    return this.#out.shift()
  }

  #handleInitial(now: Instant, packet: HandshakePacket, packetBytes: number, from: Path): void {
    if (packet.version !== PROTOCOL_VERSION) {
      this.#refuseVersion(packet, from)
      return
    }
    const known = this.#attempts.find((attempt) => equalBytes(attempt.initial, packet.message))
    if (known === undefined && !this.#admits(now, packet, from)) return
    const attempt = known ?? this.#newAttempt(now, packet, from)
    if (attempt === undefined) return
    if (!samePath(attempt.path, from)) attempt.budgetBytes = 0
    attempt.path = from
    attempt.budgetBytes += AMPLIFICATION_LIMIT * packetBytes
    this.#respond(now, attempt)
  }

  // Nothing is computed for, or kept of, an initial that has to come again.
  #admits(now: Instant, { source, destination, token }: HandshakePacket, from: Path): boolean {
    const isProven = this.#tokens.isValid(now, from.to, source, token)
    const admission = this.#throttle.admit(now, isProven)
    if (admission === 'retry') {
      const answer = this.#tokens.issue(now, from.to, source)
      const bytes = encodeRetry({ destination: source, source: destination, token: answer })
      this.#out.push({ path: from, bytes })
    }
    return admission === 'admitted'
  }

  #newAttempt(now: Instant, packet: HandshakePacket, from: Path): Attempt | undefined {
    const { prologue, staticKey, parameters, payload, accept } = this.#options
    const noise = new NoiseHandshake({
      pattern: packet.pattern,
      role: 'responder',
      prologue: boundPrologue(packet.pattern, prologue),
      staticKey,
      ephemeralSeed: sha256(utf8('holler ephemeral'), this.#secret, packet.message),
    })
    const opened = noise.readMessage(packet.message)
    if (!opened.ok) return undefined
    const read = packet.pattern === 'IK' ? decodeHandshakePayload(opened.value) : undefined
    const { remoteStatic } = noise
    if (read?.ok === false) return undefined
    if (read !== undefined && remoteStatic !== undefined) {
      if (accept?.(remoteStatic, read.value.payload) === false) return undefined
    }
    const message = noise.writeMessage(encodeHandshakePayload(parameters, payload))
    const attempt: Attempt = {
      initial: copyOf(packet.message),
      noise,
      response: this.#encodeResponse(packet, message),
      established:
        read === undefined || remoteStatic === undefined
          ? undefined
          : { keys: noise.split(), remoteStatic, ...read.value },
      retries: new RetrySchedule(),
      expiresAt: after(now, HANDSHAKE_TIMEOUT_MS),
      path: from,
      budgetBytes: 0,
    }
    this.#attempts.push(attempt)
    if (this.#attempts.length > MAX_ATTEMPTS) this.#attempts.shift()
    return attempt
  }

  #handleFinal(now: Instant, packet: HandshakePacket): void {
    if (packet.version !== PROTOCOL_VERSION || packet.pattern !== 'XX') return
    for (const attempt of this.#attempts) {
      if (attempt.established !== undefined) continue
      const opened = attempt.noise.readMessage(packet.message)
      if (!opened.ok) continue
      const { remoteStatic } = attempt.noise
      const read = decodeHandshakePayload(opened.value)
      const isWanted =
        read.ok &&
        remoteStatic !== undefined &&
        this.#options.accept?.(remoteStatic, read.value.payload) !== false
      if (!isWanted) {
        this.#attempts = this.#attempts.filter((other) => other !== attempt)
        return
      }
      const rttMs = attempt.retries.rttAt(now)
      this.#final = { keys: attempt.noise.split(), remoteStatic, ...read.value, rttMs }
      this.confirm()
      return
    }
  }

  #respond(now: Instant, attempt: Attempt): void {
    if (attempt.budgetBytes < attempt.response.length) {
      attempt.retries.stop() // the next initial allows it again
      return
    }
    attempt.budgetBytes -= attempt.response.length
    attempt.retries.handleSent(now)
    this.#out.push({ path: attempt.path, bytes: attempt.response })
  }

  #encodeResponse(packet: HandshakePacket, message: Uint8Array): Uint8Array {
    return encodeHandshakePacket(
      {
        step: 'response',
        pattern: packet.pattern,
        version: PROTOCOL_VERSION,
        destination: packet.source,
        source: this.#options.parameters.sourceId,
        token: new Uint8Array(0),
        message,
      },
      BASE_DATAGRAM_BYTES,
    )
  }

  // RFC 9000 §6.1: no state is kept; the answer is far smaller than the question.
  #refuseVersion(packet: HandshakePacket, from: Path): void {
    const bytes = encodeVersionNegotiation({
      destination: packet.source,
      source: packet.destination,
      versions: [PROTOCOL_VERSION, RESERVED_VERSION],
    })
    this.#out.push({ path: from, bytes })
  }
}
