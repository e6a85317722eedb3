import { copyOf, equalBytes } from '../core/bytes.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { NoiseHandshake } from '../crypto/noise.ts'
import { KEY_BYTES } from '../crypto/raw-key.ts'
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
  decodeRetry,
  decodeVersionNegotiation,
  encodeHandshakePacket,
  type HandshakePacket,
  type HandshakePattern,
  type HandshakeStep,
  PROTOCOL_VERSION,
} from './handshake-packet.ts'
import { BASE_DATAGRAM_BYTES } from './packet.ts'

export interface InitiatorOptions extends HandshakeOptions {
  readonly pattern: HandshakePattern
  /** The responder's, wanted for IK. */
  readonly remoteStatic?: Uint8Array
  /** The responder's id until it tells its own. */
  readonly initialId: Uint8Array
}

/** More than one: the responder's secret may have changed between a token and its use. */
const MAX_RETRIES = 3

export class HandshakeInitiator implements Handshake {
  readonly #options: InitiatorOptions
  readonly #ephemeralSeed: Uint8Array
  readonly #out = new OutboundQueue<HandshakeDatagram>()
  #noise: NoiseHandshake
  /** The first Noise message. */
  readonly #message: Uint8Array
  #packet: Uint8Array
  #token: Uint8Array = new Uint8Array(0)
  #tokensTaken = 0
  #retries = new RetrySchedule()
  #giveUpAt: Instant | undefined
  #established: Established | undefined
  #refusedVersions: readonly number[] = []
  #hasFailed = false

  constructor(options: InitiatorOptions) {
    this.#options = options
    this.#ephemeralSeed = options.random.bytes(32)
    this.#noise = this.#newNoise()
    this.#message = this.#writeInitial()
    this.#packet = this.#encodeInitial(this.#message)
  }

  /** Public, and as good as random: what decides between two who knock at once. */
  get ephemeral(): Uint8Array {
    return ephemeralOf(this.#message)
  }

  /** Knocks, and was not answered. */
  get isKnocking(): boolean {
    return this.#giveUpAt !== undefined && this.#established === undefined
  }

  get established(): Established | undefined {
    return this.#established
  }

  get deadline(): Instant | undefined {
    return earliest(this.#retries.deadline, this.#giveUpAt)
  }

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  get failure(): string {
    if (this.#refusedVersions.length === 0) return 'no answer'
    return `the peer speaks only versions ${this.#refusedVersions.join(', ')}`
  }

  start(now: Instant): void {
    this.#giveUpAt = after(now, HANDSHAKE_TIMEOUT_MS)
    this.#send(now)
  }

  /** The path changed: the packet goes again at once. */
  restartSending(now: Instant): void {
    if (this.#retries.deadline !== undefined) this.#send(now)
  }

  /** The peer answered under the new keys: it has all of the handshake. */
  confirm(): void {
    this.#retries.stop()
    this.#giveUpAt = undefined
  }

  handlePacket(now: Instant, bytes: Uint8Array): void {
    const packet = decodeHandshakePacket(bytes)
    if (!packet.ok || !this.#isForUs(packet.value)) return
    if (this.#established !== undefined) return
    const established = this.#readResponse(now, packet.value)
    if (established === undefined) {
      if (!this.#noise.isMyTurn && !this.#noise.isComplete) return
      // It was authentic, and still not whom we want: back to where we were, with the same ephemeral key.
      this.#noise = this.#newNoise()
      this.#writeInitial()
      return
    }
    this.#established = established
    if (this.#options.pattern === 'IK') this.confirm()
  }

  /** The responder is busy: the same Noise message goes again at once, with its token (RFC 9000 §8.1.2). */
  handleRetry(now: Instant, bytes: Uint8Array): void {
    const packet = decodeRetry(bytes)
    const { initialId, parameters } = this.#options
    if (!packet.ok || !this.isKnocking || this.#tokensTaken >= MAX_RETRIES) return
    if (!equalBytes(packet.value.destination, parameters.sourceId)) return
    if (!equalBytes(packet.value.source, initialId)) return
    if (equalBytes(packet.value.token, this.#token)) return
    this.#tokensTaken += 1
    this.#token = copyOf(packet.value.token)
    this.#packet = this.#encodeInitial(this.#message)
    this.#retries = new RetrySchedule()
    this.#send(now)
  }

  handleVersionNegotiation(bytes: Uint8Array): void {
    const packet = decodeVersionNegotiation(bytes)
    const { initialId, parameters } = this.#options
    if (!packet.ok || !equalBytes(packet.value.source, initialId)) return
    if (!equalBytes(packet.value.destination, parameters.sourceId)) return
    // Nothing proves who said so: it is only remembered as the reason in case that nobody answers.
    if (packet.value.versions.includes(PROTOCOL_VERSION)) return
    this.#refusedVersions = packet.value.versions
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
    if (this.#retries.isDue(now)) this.#send(now)
  }

  pollDatagram(): HandshakeDatagram | undefined {
    return this.#out.shift()
  }

  #send(now: Instant): void {
    this.#retries.handleSent(now)
    this.#out.push({ path: undefined, bytes: this.#packet })
  }

  #isForUs(packet: HandshakePacket): boolean {
    const { pattern, parameters } = this.#options
    return (
      packet.step === 'response' &&
      packet.version === PROTOCOL_VERSION &&
      packet.pattern === pattern &&
      equalBytes(packet.destination, parameters.sourceId)
    )
  }

  #readResponse(now: Instant, packet: HandshakePacket): Established | undefined {
    const opened = this.#noise.readMessage(packet.message)
    if (!opened.ok) return undefined
    const read = decodeHandshakePayload(opened.value)
    const { remoteStatic } = this.#noise
    if (!read.ok || remoteStatic === undefined) return undefined
    const { parameters, payload } = read.value
    if (this.#options.accept?.(remoteStatic, payload) === false) return undefined
    const rttMs = this.#retries.rttAt(now)
    this.#retries = new RetrySchedule()
    if (this.#options.pattern === 'XX') this.#sendFinal(now, parameters.sourceId)
    return { keys: this.#noise.split(), remoteStatic, payload, parameters, rttMs }
  }

  // XX's responder knows nothing before it has this: it is sent again until something comes back under the new keys.
  #sendFinal(now: Instant, destination: Uint8Array): void {
    const { parameters, payload } = this.#options
    const message = this.#noise.writeMessage(encodeHandshakePayload(parameters, payload))
    this.#packet = this.#encode('final', destination, message, 0)
    this.#send(now)
  }

  #newNoise(): NoiseHandshake {
    const { pattern, prologue, staticKey, remoteStatic } = this.#options
    return new NoiseHandshake({
      pattern,
      role: 'initiator',
      prologue: boundPrologue(pattern, prologue),
      staticKey,
      ...(pattern === 'IK' && remoteStatic !== undefined ? { remoteStatic } : {}),
      ephemeralSeed: this.#ephemeralSeed,
    })
  }

  // XX's first payload is readable by everybody: ours waits for the third message. Always the same bytes.
  #writeInitial(): Uint8Array {
    const { pattern, parameters, payload } = this.#options
    const inside =
      pattern === 'IK' ? encodeHandshakePayload(parameters, payload) : new Uint8Array(0)
    return this.#noise.writeMessage(inside)
  }

  #encodeInitial(message: Uint8Array): Uint8Array {
    return this.#encode('initial', this.#options.initialId, message, BASE_DATAGRAM_BYTES)
  }

  #encode(
    step: HandshakeStep,
    destination: Uint8Array,
    message: Uint8Array,
    paddedTo: number,
  ): Uint8Array {
    const { pattern, parameters } = this.#options
    return encodeHandshakePacket(
      {
        step,
        pattern,
        version: PROTOCOL_VERSION,
        destination,
        source: parameters.sourceId,
        token: step === 'initial' ? this.#token : new Uint8Array(0),
        message,
      },
      paddedTo,
    )
  }
}

/** Noise's first message begins with the initiator's ephemeral key, in either pattern. */
export function ephemeralOf(firstMessage: Uint8Array): Uint8Array {
  return firstMessage.subarray(0, KEY_BYTES)
}
