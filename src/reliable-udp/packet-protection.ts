/**
 * Seals and opens data packets (ChaCha20-Poly1305), and changes the keys while they flow.
 *
 * Nonce: the direction, then the whole packet number; a number is never reused, so neither is a nonce. The header is
 * associated data. Each generation of keys is derived from the one before it (RFC 9001 §6), and the header's key
 * phase tells which of at most three a packet needs: the previous (late packets), the current, or the next (the peer
 * has moved on, and we follow at once). So every packet costs one attempt, however it was forged.
 */
import { utf8 } from '../core/bytes.ts'
import type { Instant } from '../core/instant.ts'
import { fastestPacketAead } from '../crypto/fastest-packet-aead.ts'
import { hkdfSha256 } from '../crypto/hash.ts'
import type { PacketAead } from '../crypto/packet-aead.ts'
import { DATA_HEADER_BYTES, type DataHeader, type PacketReader, writeDataHeader } from './packet.ts'
import { ReplayWindow } from '../core/replay-window.ts'
import type { StreamSide } from './streams/stream-id.ts'

const UPDATE_LABEL = utf8('holler key update')
const NO_SALT = new Uint8Array(0)

export interface DirectionKeys {
  readonly send: Uint8Array // 32 bytes
  readonly receive: Uint8Array // 32 bytes
}

export class PacketProtection {
  readonly #aead: PacketAead
  readonly #seen = new ReplayWindow()
  readonly #sendNonce: Buffer
  readonly #receiveNonce: Buffer
  #sendKey: Uint8Array
  #sendGeneration = 0
  #receiveKey: Uint8Array
  #nextReceiveKey: Uint8Array
  #previousReceiveKey: Uint8Array | undefined
  #receiveGeneration = 0
  #openedGeneration = 0
  #failures = 0

  constructor(keys: DirectionKeys, side: StreamSide, aead: PacketAead = fastestPacketAead()) {
    this.#aead = aead
    this.#sendKey = keys.send
    this.#receiveKey = keys.receive
    this.#nextReceiveKey = nextKey(keys.receive)
    this.#sendNonce = directionNonce(side)
    this.#receiveNonce = directionNonce(side === 'initiator' ? 'responder' : 'initiator')
  }

  get sendGeneration(): number {
    return this.#sendGeneration
  }

  get receiveGeneration(): number {
    return this.#receiveGeneration
  }

  /** Of the packet opened last. */
  get openedGeneration(): number {
    return this.#openedGeneration
  }

  /** Packets that were not authentic. */
  get failures(): number {
    return this.#failures
  }

  get largestReceived(): number {
    return this.#seen.largest
  }

  /** Completes the packet at `start`, whose frames lie where they belong, up to `bodyEnd`: header before, tag after. */
  seal(bytes: Uint8Array, start: number, bodyEnd: number, header: DataHeader): void {
    writeDataHeader(bytes, start, header)
    setNonce(this.#sendNonce, header.number)
    const bodyStart = start + DATA_HEADER_BYTES
    this.#aead.seal(this.#sendKey, this.#sendNonce, bytes, start, bodyStart, bodyEnd)
  }

  /**
   * Puts the frames of a packet never seen before into `target`, which is as long as they are; false for duplicates,
   * replays and forgeries.
   */
  open(bytes: Uint8Array, packet: PacketReader, number: number, target: Uint8Array): boolean {
    if (!this.#seen.isFresh(number)) return false
    const generation = this.#generationOf(packet.keyPhase)
    if (!this.#openWith(this.#keyOf(generation), bytes, packet, number, target)) {
      this.#failures += 1
      return false
    }
    this.#seen.mark(number)
    this.#openedGeneration = generation
    if (generation > this.#receiveGeneration) this.#advanceReceiving()
    return true
  }

  /** Seals with the next generation from now on. The peer follows when it sees the first such packet. */
  advanceSending(): void {
    this.#sendKey = nextKey(this.#sendKey)
    this.#sendGeneration += 1
  }

  /** When late packets of the generation before can no longer come. */
  forgetPreviousKey(): void {
    this.#previousReceiveKey = undefined
  }

  get hasPreviousKey(): boolean {
    return this.#previousReceiveKey !== undefined
  }

  // We never run ahead of the peer by more than one generation, nor it of us.
  #advanceReceiving(): void {
    this.#previousReceiveKey = this.#receiveKey
    this.#receiveKey = this.#nextReceiveKey
    this.#nextReceiveKey = nextKey(this.#nextReceiveKey)
    this.#receiveGeneration += 1
    if (this.#sendGeneration < this.#receiveGeneration) this.advanceSending()
  }

  #generationOf(keyPhase: number): number {
    const ahead = (keyPhase - this.#receiveGeneration) & 3
    return this.#receiveGeneration + (ahead === 3 ? -1 : ahead)
  }

  #keyOf(generation: number): Uint8Array | undefined {
    const ahead = generation - this.#receiveGeneration
    if (ahead === 0) return this.#receiveKey
    if (ahead === 1) return this.#nextReceiveKey
    return ahead === -1 ? this.#previousReceiveKey : undefined
  }

  #openWith(
    key: Uint8Array | undefined,
    bytes: Uint8Array,
    packet: PacketReader,
    number: number,
    target: Uint8Array,
  ): boolean {
    if (key === undefined) return false
    setNonce(this.#receiveNonce, number)
    const bodyStart = packet.start + DATA_HEADER_BYTES
    return this.#aead.open(
      key,
      this.#receiveNonce,
      bytes,
      packet.start,
      bodyStart,
      packet.end,
      target,
    )
  }
}

/** When the sending side moves to new keys by itself. */
export interface KeyLimits {
  readonly ageMs: number
  readonly packets: number
  readonly bytes: number
}

/** messaging.md's numbers: far below what the cipher allows, so that little lies under one key. */
export const DEFAULT_KEY_LIMITS: KeyLimits = { ageMs: 120_000, packets: 2 ** 20, bytes: 2 ** 30 }

/**
 * Decides when to update. Only looked at when a packet is about to be sent: an idle connection needs no new keys.
 * A generation must be acknowledged before the next one begins (RFC 9001 §6.1).
 */
export class KeyUsage {
  readonly #limits: KeyLimits
  #startedAt: Instant
  #packets = 0
  #bytes = 0
  #firstNumber = 0
  #isConfirmed = false

  constructor(now: Instant, limits: KeyLimits) {
    this.#limits = limits
    this.#startedAt = now
  }

  handleSent(bytes: number): void {
    this.#packets += 1
    this.#bytes += bytes
  }

  /** `largest` is the greatest packet number acknowledged so far. */
  handleAcknowledged(largest: number): void {
    if (largest >= this.#firstNumber) this.#isConfirmed = true
  }

  isUpdateDue(now: Instant): boolean {
    if (!this.#isConfirmed) return false
    const { ageMs, packets, bytes } = this.#limits
    return now - this.#startedAt >= ageMs || this.#packets >= packets || this.#bytes >= bytes
  }

  /** `nextNumber` is the first packet that the new generation seals. */
  restart(now: Instant, nextNumber: number): void {
    this.#startedAt = now
    this.#packets = 0
    this.#bytes = 0
    this.#firstNumber = nextNumber
    this.#isConfirmed = false
  }
}

function nextKey(key: Uint8Array): Uint8Array {
  return hkdfSha256(key, NO_SALT, UPDATE_LABEL, key.length)
}

function directionNonce(sender: StreamSide): Buffer {
  const nonce = Buffer.alloc(12)
  nonce[0] = sender === 'initiator' ? 0 : 1
  return nonce
}

function setNonce(nonce: Buffer, number: number): void {
  nonce.writeUInt32BE(Math.floor(number / 2 ** 32), 4)
  nonce.writeUInt32BE(number % 2 ** 32, 8)
}
