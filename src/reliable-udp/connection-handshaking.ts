/**
 * The part of a connection's life before there are keys for data, and who may end it.
 *
 * A side initiates, responds, or does both (`either`): hole punching makes both sides knock at once. Of two initials that
 * cross, the one whose ephemeral key is lower goes on, for both sides see both keys, whatever the pattern: its sender
 * leaves the other unanswered, its receiver answers it. And who has answered an initial before knocking does not knock.
 * So there are never two handshakes that both end well, and the loser's initial is the only thing that was in vain.
 */
import { copyOf } from '../core/bytes.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { Established, HandshakeDatagram, HandshakeOptions } from './handshake.ts'
import { ephemeralOf, HandshakeInitiator } from './handshake-initiator.ts'
import { decodeHandshakePacket, type HandshakePattern } from './handshake-packet.ts'
import { HandshakeResponder } from './handshake-responder.ts'
import { DATA_OVERHEAD_BYTES, expandPacketNumber, type PacketReader } from './packet.ts'
import { PacketProtection } from './packet-protection.ts'
import type { Path } from './path.ts'
import type { StreamSide } from './streams/stream-id.ts'

/** Data that overtook XX's last message. The initiator sends no more than its first window before it hears from us. */
const MAX_EARLY_PACKETS = 16

export interface EarlyPacket {
  readonly bytes: Uint8Array
  readonly from: Path
}

export interface InitiatorPart {
  readonly pattern: HandshakePattern
  readonly remoteStatic?: Uint8Array
  readonly initialId: Uint8Array
}

/** A finished handshake, and which side of it we are: known before only where we were told. */
export interface Settled {
  readonly established: Established
  readonly side: StreamSide
}

export interface HandshakingOptions extends HandshakeOptions {
  /** Absent: we only answer. */
  readonly initiator?: InitiatorPart
  readonly isResponder: boolean
}

export class Handshaking {
  readonly #initiator: HandshakeInitiator | undefined
  #responder: HandshakeResponder | undefined
  readonly #early: EarlyPacket[] = [] // ≤ MAX_EARLY_PACKETS, later ones dropped

  constructor(options: HandshakingOptions) {
    const { initiator, isResponder } = options
    if (initiator !== undefined) {
      this.#initiator = new HandshakeInitiator({ ...options, ...initiator })
    }
    if (isResponder) this.#responder = new HandshakeResponder(options)
  }

  get deadline(): Instant | undefined {
    return earliest(this.#initiator?.deadline, this.#responder?.deadline)
  }

  get hasFailed(): boolean {
    return this.#initiator?.hasFailed === true || this.#responder?.hasFailed === true
  }

  get failure(): string {
    return (this.#initiator ?? this.#responder)?.failure ?? ''
  }

  get settled(): Settled | undefined {
    return (
      settledAs('initiator', this.#initiator?.established) ??
      settledAs('responder', this.#responder?.established)
    )
  }

  get early(): readonly EarlyPacket[] {
    return this.#early
  }

  /** Somebody knocked in a way that made sense. */
  get hasAttempts(): boolean {
    return this.#responder?.hasAttempts === true
  }

  start(now: Instant): void {
    this.#responder?.start(now)
    if (!this.hasAttempts) this.#initiator?.start(now)
  }

  restartSending(now: Instant): void {
    this.#initiator?.restartSending(now)
  }

  /** Our answer to the peer's initial may still be wanted; nobody else's is. */
  settle(side: StreamSide): void {
    if (side === 'responder') this.confirm()
    else this.#responder = undefined
  }

  confirm(): void {
    this.#initiator?.confirm()
    this.#responder?.confirm()
  }

  handleAbsence(now: Instant): void {
    this.#initiator?.handleAbsence(now)
    this.#responder?.handleAbsence(now)
  }

  handleTimeout(now: Instant): void {
    this.#initiator?.handleTimeout(now)
    this.#responder?.handleTimeout(now)
  }

  handlePacket(now: Instant, packet: Uint8Array, from: Path): void {
    this.#initiator?.handlePacket(now, packet)
    if (!this.#winsAgainst(packet)) this.#responder?.handlePacket(now, packet, from)
  }

  handleRetry(now: Instant, packet: Uint8Array): void {
    this.#initiator?.handleRetry(now, packet)
  }

  handleVersionNegotiation(packet: Uint8Array): void {
    this.#initiator?.handleVersionNegotiation(packet)
  }

  /** The attempt whose keys this data packet proves. Otherwise it is kept for when the handshake is done. */
  proven(now: Instant, bytes: Uint8Array, packet: PacketReader, from: Path): Settled | undefined {
    if (this.#responder === undefined) return undefined
    const number = expandPacketNumber(packet.truncatedNumber, 0)
    const payload = new Uint8Array(packet.end - packet.start - DATA_OVERHEAD_BYTES)
    for (const candidate of this.#responder.candidates(now)) {
      const protection = new PacketProtection(candidate.keys, 'responder')
      if (!protection.open(bytes, packet, number, payload)) continue
      return { established: candidate, side: 'responder' }
    }
    if (this.#early.length < MAX_EARLY_PACKETS) {
      this.#early.push({ bytes: copyOf(bytes.subarray(packet.start, packet.end)), from })
    }
    return undefined
  }

  pollDatagram(): HandshakeDatagram | undefined {
    return this.#initiator?.pollDatagram() ?? this.#responder?.pollDatagram()
  }

  // Also our own initial, thrown back at us: it is not lower than itself, and not answered.
  #winsAgainst(bytes: Uint8Array): boolean {
    const ours = this.#initiator
    if (ours?.isKnocking !== true) return false
    const packet = decodeHandshakePacket(bytes)
    if (!packet.ok || packet.value.step !== 'initial') return false
    return Buffer.compare(ephemeralOf(packet.value.message), ours.ephemeral) >= 0
  }
}

function settledAs(side: StreamSide, established: Established | undefined): Settled | undefined {
  return established === undefined ? undefined : { established, side }
}
