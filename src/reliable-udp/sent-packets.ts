/**
 * What was sent and is not settled yet: a ring of packets indexed by packet number, and beside it a ring of the
 * frames they carried, in the order of sending. All of it lies in typed arrays: sending a packet allocates nothing.
 *
 * A packet stays until it is acknowledged, or was lost so long ago that a late acknowledgement cannot come.
 */

const INITIAL_PACKETS = 256

/** 16 MiB of window in packets of 1,200 B is 13,981; with more than this unsettled, data waits. */
export const MAX_SENT_PACKETS = 16_384

/** Kinds of frames that must be told of their packet's fate; the others are sent and forgotten. */
export const sentFrameKinds = [
  'ack', // a: largest acknowledged
  'stream', // a: stream, b: offset, c: length
  'stream-fin', // the same with FIN
  'reset-stream', // a: stream
  'stop-sending', // a: stream
  'max-data',
  'max-stream-data', // a: stream
  'max-streams', // a: kind
  'new-connection-id', // a: sequence
  'key-update', // a: generation
] as const
export type SentFrameKind = (typeof sentFrameKinds)[number]

const KIND_INDEX: Readonly<Record<SentFrameKind, number>> = Object.fromEntries(
  sentFrameKinds.map((kind, index) => [kind, index]),
) as Record<SentFrameKind, number>

/** Is told once about each frame for each packet that carried it. */
export interface FrameFate {
  handleFrameAcked(kind: SentFrameKind, a: number, b: number, c: number): void
  handleFrameLost(kind: SentFrameKind, a: number, b: number, c: number): void
}

export const sentFlags = {
  /** Wants an acknowledgement (RFC 9002 §2). */
  ackEliciting: 1,
  /** Counts against the congestion window. */
  inFlight: 2,
  acked: 4,
  lost: 8,
  /** Its frames were already handed back for sending again. */
  handedBack: 16,
  /** A path MTU probe: its loss says nothing about congestion. */
  mtuProbe: 32,
  /** The sender had nothing more to send: its delivery rate says nothing about the path. */
  appLimited: 64,
  /** Sent on the path before the current one. */
  formerPath: 128,
} as const

export class SentPackets {
  #capacity = INITIAL_PACKETS
  #first = 0
  #next = 0
  #sentAt = new Float64Array(INITIAL_PACKETS)
  #bytes = new Uint16Array(INITIAL_PACKETS)
  #flags = new Uint8Array(INITIAL_PACKETS)
  #firstFrame = new Float64Array(INITIAL_PACKETS)
  // The sender's delivery state at that moment, for rate samples (draft-ietf-ccwg-bbr §4.1.2).
  #delivered = new Float64Array(INITIAL_PACKETS)
  #deliveredAt = new Float64Array(INITIAL_PACKETS)
  #firstSentAt = new Float64Array(INITIAL_PACKETS)
  #inFlight = new Float64Array(INITIAL_PACKETS)
  #lostBytes = new Float64Array(INITIAL_PACKETS)
  readonly #frames = new FrameRing()

  /** The oldest packet still known. */
  get first(): number {
    return this.#first
  }

  /** The number of the packet to be sent next. */
  get next(): number {
    return this.#next
  }

  get size(): number {
    return this.#next - this.#first
  }

  /** Notes a frame of the packet that `commit` will number. */
  addFrame(kind: SentFrameKind, a = 0, b = 0, c = 0): void {
    this.#frames.push(KIND_INDEX[kind], a, b, c)
  }

  /** Enters the packet with the frames added since the one before. */
  commit(sentAt: number, bytes: number, flags: number): number {
    if (this.#next - this.#first === this.#capacity) this.#grow()
    const slot = this.#next % this.#capacity
    this.#sentAt[slot] = sentAt
    this.#bytes[slot] = bytes
    this.#flags[slot] = flags
    this.#firstFrame[slot] = this.#frames.committed
    this.#frames.commit()
    this.#next += 1
    return this.#next - 1
  }

  /** The sender's state when the packet went: `inFlightBytes` counts it, `lostBytes` are all found lost so far. */
  noteDelivery(
    number: number,
    delivered: number,
    deliveredAt: number,
    firstSentAt: number,
    inFlightBytes: number,
    lostBytes: number,
  ): void {
    const slot = number % this.#capacity
    this.#inFlight[slot] = inFlightBytes
    this.#lostBytes[slot] = lostBytes
    this.#delivered[slot] = delivered
    this.#deliveredAt[slot] = deliveredAt
    this.#firstSentAt[slot] = firstSentAt
  }

  sentAt(number: number): number {
    return this.#sentAt[number % this.#capacity] ?? 0
  }

  bytes(number: number): number {
    return this.#bytes[number % this.#capacity] ?? 0
  }

  flags(number: number): number {
    return this.#flags[number % this.#capacity] ?? 0
  }

  deliveredBefore(number: number): number {
    return this.#delivered[number % this.#capacity] ?? 0
  }

  deliveredAtBefore(number: number): number {
    return this.#deliveredAt[number % this.#capacity] ?? 0
  }

  firstSentAtBefore(number: number): number {
    return this.#firstSentAt[number % this.#capacity] ?? 0
  }

  inFlightAtSending(number: number): number {
    return this.#inFlight[number % this.#capacity] ?? 0
  }

  lostBefore(number: number): number {
    return this.#lostBytes[number % this.#capacity] ?? 0
  }

  has(number: number, flag: number): boolean {
    return (this.flags(number) & flag) !== 0
  }

  setFlags(number: number, flags: number): void {
    this.#flags[number % this.#capacity] = flags
  }

  tellAcked(number: number, fate: FrameFate): void {
    const end = this.#frameEnd(number)
    for (let i = this.#frameStart(number); i < end; i++) this.#frames.tellAcked(i, fate)
  }

  tellLost(number: number, fate: FrameFate): void {
    const end = this.#frameEnd(number)
    for (let i = this.#frameStart(number); i < end; i++) this.#frames.tellLost(i, fate)
  }

  /** Forgets the oldest packet. */
  retireFirst(): void {
    this.#frames.releaseTo(this.#frameEnd(this.#first))
    this.#first += 1
  }

  #frameStart(number: number): number {
    return this.#firstFrame[number % this.#capacity] ?? 0
  }

  #frameEnd(number: number): number {
    return number + 1 === this.#next ? this.#frames.committed : this.#frameStart(number + 1)
  }

  #grow(): void {
    const capacity = this.#capacity * 2
    this.#sentAt = this.#moved(this.#sentAt, new Float64Array(capacity))
    this.#bytes = this.#moved(this.#bytes, new Uint16Array(capacity))
    this.#flags = this.#moved(this.#flags, new Uint8Array(capacity))
    this.#firstFrame = this.#moved(this.#firstFrame, new Float64Array(capacity))
    this.#delivered = this.#moved(this.#delivered, new Float64Array(capacity))
    this.#deliveredAt = this.#moved(this.#deliveredAt, new Float64Array(capacity))
    this.#firstSentAt = this.#moved(this.#firstSentAt, new Float64Array(capacity))
    this.#inFlight = this.#moved(this.#inFlight, new Float64Array(capacity))
    this.#lostBytes = this.#moved(this.#lostBytes, new Float64Array(capacity))
    this.#capacity = capacity
  }

  #moved<T extends Float64Array | Uint16Array | Uint8Array>(old: T, grown: T): T {
    for (let number = this.#first; number < this.#next; number++) {
      grown[number % grown.length] = old[number % old.length] ?? 0
    }
    return grown
  }
}

/** Frames in the order of sending, addressed by a count that never restarts. */
class FrameRing {
  #capacity = INITIAL_PACKETS // grows with the packets it belongs to: ≤ MAX_SENT_PACKETS × frames in a packet
  #kinds = new Uint8Array(INITIAL_PACKETS)
  #a = new Float64Array(INITIAL_PACKETS)
  #b = new Float64Array(INITIAL_PACKETS)
  #c = new Float64Array(INITIAL_PACKETS)
  #first = 0
  #next = 0
  /** Frames from here on belong to the packet being built. */
  committed = 0

  push(kind: number, a: number, b: number, c: number): void {
    if (this.#next - this.#first === this.#capacity) this.#grow()
    const slot = this.#next % this.#capacity
    this.#kinds[slot] = kind
    this.#a[slot] = a
    this.#b[slot] = b
    this.#c[slot] = c
    this.#next += 1
  }

  commit(): void {
    this.committed = this.#next
  }

  releaseTo(index: number): void {
    this.#first = index
  }

  tellAcked(index: number, fate: FrameFate): void {
    const slot = index % this.#capacity
    const kind = sentFrameKinds[this.#kinds[slot] ?? 0]
    if (kind === undefined) return
    fate.handleFrameAcked(kind, this.#a[slot] ?? 0, this.#b[slot] ?? 0, this.#c[slot] ?? 0)
  }

  tellLost(index: number, fate: FrameFate): void {
    const slot = index % this.#capacity
    const kind = sentFrameKinds[this.#kinds[slot] ?? 0]
    if (kind === undefined) return
    fate.handleFrameLost(kind, this.#a[slot] ?? 0, this.#b[slot] ?? 0, this.#c[slot] ?? 0)
  }

  #grow(): void {
    const capacity = this.#capacity * 2
    const kinds = new Uint8Array(capacity)
    const [a, b, c] = [
      new Float64Array(capacity),
      new Float64Array(capacity),
      new Float64Array(capacity),
    ]
    for (let i = this.#first; i < this.#next; i++) {
      const [from, to] = [i % this.#capacity, i % capacity]
      kinds[to] = this.#kinds[from] ?? 0
      a[to] = this.#a[from] ?? 0
      b[to] = this.#b[from] ?? 0
      c[to] = this.#c[from] ?? 0
    }
    this.#kinds = kinds
    this.#a = a
    this.#b = b
    this.#c = c
    this.#capacity = capacity
  }
}
