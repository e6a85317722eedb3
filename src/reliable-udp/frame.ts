/**
 * The frames: what travels inside a data packet once it is opened. Numbers are varints unless their size is given;
 * types are those of RFC 9000 §19 where the frame is (KEY_UPDATE sits where QUIC has CRYPTO).
 *
 *     00 PADDING
 *     01 PING
 *     02 ACK                largest, delay (8 µs), further ranges (≤ 31), first range, { gap, range } …
 *     04 RESET_STREAM       stream, code, final size
 *     05 STOP_SENDING       stream, code
 *     06 KEY_UPDATE         generation
 *     08 STREAM             stream, [offset: bit 2], [length: bit 1], bytes           bit 0: FIN
 *     10 MAX_DATA           limit
 *     11 MAX_STREAM_DATA    stream, limit
 *     12 MAX_STREAMS        kind (1), limit
 *     18 NEW_CONNECTION_ID  sequence, retire prior to, id (8), reset token (16)
 *     1a PATH_CHALLENGE     data (8)
 *     1b PATH_RESPONSE      data (8)
 *     1c CLOSE              code, length, reason      1c by the transport, 1d by the application
 *     30 DATAGRAM           [length: bit 0], bytes
 */
import type { StreamId } from './streams/stream-id.ts'
import type { Violation } from './transport-error.ts'

export const frameTypes = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  resetStream: 0x04,
  stopSending: 0x05,
  keyUpdate: 0x06,
  stream: 0x08,
  maxData: 0x10,
  maxStreamData: 0x11,
  maxStreams: 0x12,
  newConnectionId: 0x18,
  pathChallenge: 0x1a,
  pathResponse: 0x1b,
  transportClose: 0x1c,
  applicationClose: 0x1d,
  datagram: 0x30,
} as const

export const STREAM_FIN_BIT = 1
export const STREAM_LENGTH_BIT = 2
export const STREAM_OFFSET_BIT = 4

/** More say nothing new: what is older was reported before, or is lost. */
export const MAX_ACK_RANGES = 32

/** ACK delays are counted in these (RFC 9000's default exponent of 3): 0.1 ms matters on a LAN. */
export const ACK_DELAY_UNIT_MS = 0.008

export const PATH_DATA_BYTES = 8
export const RESET_TOKEN_BYTES = 16

/** Fits beside the largest header into the smallest packet; longer reasons are cut. */
export const MAX_CLOSE_REASON_BYTES = 256

/** An unreliable datagram always fits into the smallest packet, beside an ACK of eight ranges. */
export const LARGEST_UNRELIABLE_BYTES = 1024

/** The ranges of one ACK frame, newest first, as `[start, end)`. One is reused for all frames. */
export class AckRanges {
  readonly starts = new Float64Array(MAX_ACK_RANGES)
  readonly ends = new Float64Array(MAX_ACK_RANGES)
  count = 0

  push(start: number, end: number): void {
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.count += 1
  }

  startAt(index: number): number {
    return this.starts[index] ?? 0
  }

  endAt(index: number): number {
    return this.ends[index] ?? 0
  }
}

/**
 * Whoever takes the frames of a packet, in their order. Byte arrays are only lent for the call. A returned violation
 * ends the reading.
 */
export interface FrameSink {
  onPing(): void
  onAck(ranges: AckRanges, delayMs: number): Violation | undefined
  onResetStream(stream: StreamId, code: number, finalSize: number): Violation | undefined
  onStopSending(stream: StreamId, code: number): Violation | undefined
  onKeyUpdate(generation: number): Violation | undefined
  /** The data is `bytes[start..end)`: a view would cost as much as the rest of the frame. */
  onStream(
    stream: StreamId,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): Violation | undefined
  onMaxData(limit: number): void
  onMaxStreamData(stream: StreamId, limit: number): Violation | undefined
  onMaxStreams(kind: number, limit: number): Violation | undefined
  onNewConnectionId(
    sequence: number,
    retirePriorTo: number,
    id: Uint8Array,
    resetToken: Uint8Array,
  ): Violation | undefined
  onPathChallenge(data: Uint8Array): void
  onPathResponse(data: Uint8Array): void
  onClose(isByApplication: boolean, code: number, reason: string): void
  onDatagram(bytes: Uint8Array): void
}
