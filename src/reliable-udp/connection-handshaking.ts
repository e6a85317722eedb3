/** The part of a connection's life before there are keys for data: one handshake of either role, and who may end it. */
import { copyOf } from '../core/bytes.ts'
import type { Instant } from '../core/instant.ts'
import type { Established, HandshakeDatagram, HandshakeOptions } from './handshake.ts'
import { HandshakeInitiator } from './handshake-initiator.ts'
import type { HandshakePattern } from './handshake-packet.ts'
import { HandshakeResponder } from './handshake-responder.ts'
import { DATA_OVERHEAD_BYTES, expandPacketNumber, type PacketReader } from './packet.ts'
import { PacketProtection } from './packet-protection.ts'
import type { Path } from './path.ts'

/** Data that overtook XX's last message. The initiator sends no more than its first window before it hears from us. */
const MAX_EARLY_PACKETS = 16

export interface EarlyPacket {
  readonly bytes: Uint8Array
  readonly from: Path
}

export type HandshakingOptions = HandshakeOptions &
  (
    | {
        readonly role: 'initiator'
        readonly pattern: HandshakePattern
        readonly remoteStatic?: Uint8Array
        readonly initialId: Uint8Array
      }
    | { readonly role: 'responder' }
  )

export class Handshaking {
  readonly #initiator: HandshakeInitiator | undefined
  readonly #responder: HandshakeResponder | undefined
  readonly #early: EarlyPacket[] = [] // ≤ MAX_EARLY_PACKETS, later ones dropped

  constructor(options: HandshakingOptions) {
    if (options.role === 'initiator') this.#initiator = new HandshakeInitiator(options)
    else this.#responder = new HandshakeResponder(options)
  }

  get deadline(): Instant | undefined {
    return (this.#initiator ?? this.#responder)?.deadline
  }

  get hasFailed(): boolean {
    return (this.#initiator ?? this.#responder)?.hasFailed === true
  }

  get failure(): string {
    return (this.#initiator ?? this.#responder)?.failure ?? ''
  }

  get established(): Established | undefined {
    return (this.#initiator ?? this.#responder)?.established
  }

  get early(): readonly EarlyPacket[] {
    return this.#early
  }

  start(now: Instant): void {
    ;(this.#initiator ?? this.#responder)?.start(now)
  }

  restartSending(now: Instant): void {
    this.#initiator?.restartSending(now)
  }

  confirm(): void {
    ;(this.#initiator ?? this.#responder)?.confirm()
  }

  handleAbsence(now: Instant): void {
    ;(this.#initiator ?? this.#responder)?.handleAbsence(now)
  }

  handleTimeout(now: Instant): void {
    ;(this.#initiator ?? this.#responder)?.handleTimeout(now)
  }

  handlePacket(now: Instant, packet: Uint8Array, from: Path): void {
    this.#initiator?.handlePacket(now, packet)
    this.#responder?.handlePacket(now, packet, from)
  }

  handleVersionNegotiation(packet: Uint8Array): void {
    this.#initiator?.handleVersionNegotiation(packet)
  }

  /** The attempt whose keys this data packet proves. Otherwise it is kept for when the handshake is done. */
  proven(
    now: Instant,
    bytes: Uint8Array,
    packet: PacketReader,
    from: Path,
  ): Established | undefined {
    if (this.#responder === undefined) return undefined
    const number = expandPacketNumber(packet.truncatedNumber, 0)
    const payload = new Uint8Array(packet.end - packet.start - DATA_OVERHEAD_BYTES)
    for (const candidate of this.#responder.candidates(now)) {
      const protection = new PacketProtection(candidate.keys, 'responder')
      if (protection.open(bytes, packet, number, payload)) return candidate
    }
    if (this.#early.length < MAX_EARLY_PACKETS) {
      this.#early.push({ bytes: copyOf(bytes.subarray(packet.start, packet.end)), from })
    }
    return undefined
  }

  pollDatagram(): HandshakeDatagram | undefined {
    return (this.#initiator ?? this.#responder)?.pollDatagram()
  }
}
