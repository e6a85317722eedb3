/**
 * Reads the frames of an opened packet and hands each to a sink. Never throws, whatever the bytes are: a frame that
 * makes no sense is a violation, since the packet around it was authentic.
 */
import { asBuffer } from '../core/bytes.ts'
import {
  ACK_DELAY_UNIT_MS,
  AckRanges,
  type FrameSink,
  frameTypes,
  MAX_ACK_RANGES,
  MAX_CLOSE_REASON_BYTES,
  PATH_DATA_BYTES,
  RESET_TOKEN_BYTES,
  STREAM_FIN_BIT,
  STREAM_LENGTH_BIT,
  STREAM_OFFSET_BIT,
} from './frame.ts'
import { CONNECTION_ID_BYTES } from './packet.ts'
import type { StreamId } from './streams/stream-id.ts'
import { type Violation, violation } from './transport-error.ts'
import { ByteReader, MAX_VARINT } from './varint.ts'

/** One serves a connection: it keeps nothing between packets. */
export class FrameReader {
  readonly #reader = new ByteReader(new Uint8Array(0))
  readonly #ranges = new AckRanges()

  /** The first violation found, by the reader or by the sink; the frames before it have been handed over. */
  readAll(payload: Uint8Array, sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    reader.reset(payload)
    // RFC 9000 §12.4: no packet is without frames.
    if (payload.length === 0) return violation('protocolViolation', 'packet without frames')
    while (reader.remaining > 0) {
      const found = this.#readFrame(reader.unsigned(1), sink)
      if (found !== undefined) return found
      if (reader.isBroken) return violation('frameEncoding', 'frame too short')
    }
    return undefined
  }

  #readFrame(type: number, sink: FrameSink): Violation | undefined {
    if ((type & 0xf8) === frameTypes.stream) return this.#readStream(type, sink)
    switch (type) {
      case frameTypes.padding:
        return undefined
      case frameTypes.ping:
        sink.onPing()
        return undefined
      case frameTypes.ack:
        return this.#readAck(sink)
      case frameTypes.transportClose:
      case frameTypes.applicationClose:
        return this.#readClose(type === frameTypes.applicationClose, sink)
      case frameTypes.datagram:
      case frameTypes.datagram | 1:
        return this.#readDatagram(type, sink)
      case frameTypes.pathChallenge:
      case frameTypes.pathResponse:
        return this.#readPathData(type === frameTypes.pathChallenge, sink)
      default:
        return this.#readControl(type, sink)
    }
  }

  #readStream(type: number, sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    const stream = reader.varint() as StreamId
    const offset = (type & STREAM_OFFSET_BIT) === 0 ? 0 : reader.varint()
    const length = (type & STREAM_LENGTH_BIT) === 0 ? reader.remaining : reader.varint()
    const start = reader.at
    reader.skip(length)
    if (reader.isBroken) return undefined
    if (offset + length > MAX_VARINT) return violation('frameEncoding', 'stream offset too large')
    const isLast = (type & STREAM_FIN_BIT) !== 0
    return sink.onStream(stream, offset, reader.bytes, start, start + length, isLast)
  }

  // RFC 9000 §19.3.1: a range of n means n + 1 packets, a gap of n means n + 1 missing ones.
  #readAck(sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    const ranges = this.#ranges
    let end = reader.varint() + 1
    const delayMs = reader.varint() * ACK_DELAY_UNIT_MS
    const further = reader.varint()
    if (further >= MAX_ACK_RANGES) return violation('frameEncoding', 'too many ACK ranges')
    ranges.count = 0
    for (let i = 0; i <= further && !reader.isBroken; i++) {
      if (i > 0) end = ranges.startAt(i - 1) - reader.varint() - 1
      const start = end - reader.varint() - 1
      if (start < 0) return violation('frameEncoding', 'ACK of a negative packet number')
      ranges.push(start, end)
    }
    return reader.isBroken ? undefined : sink.onAck(ranges, delayMs)
  }

  #readClose(isByApplication: boolean, sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    const code = reader.varint()
    const reason = reader.take(reader.varint())
    if (reader.isBroken) return undefined
    const text = asBuffer(reason.subarray(0, MAX_CLOSE_REASON_BYTES)).toString('utf8')
    sink.onClose(isByApplication, code, text)
    return undefined
  }

  #readDatagram(type: number, sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    const bytes = reader.take((type & 1) === 0 ? reader.remaining : reader.varint())
    if (!reader.isBroken) sink.onDatagram(bytes)
    return undefined
  }

  #readPathData(isChallenge: boolean, sink: FrameSink): Violation | undefined {
    const data = this.#reader.take(PATH_DATA_BYTES)
    if (this.#reader.isBroken) return undefined
    if (isChallenge) sink.onPathChallenge(data)
    else sink.onPathResponse(data)
    return undefined
  }

  #readControl(type: number, sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    switch (type) {
      case frameTypes.resetStream: {
        const [stream, code, finalSize] = [reader.varint(), reader.varint(), reader.varint()]
        if (reader.isBroken) return undefined
        return sink.onResetStream(stream as StreamId, code, finalSize)
      }
      case frameTypes.stopSending: {
        const [stream, code] = [reader.varint(), reader.varint()]
        return reader.isBroken ? undefined : sink.onStopSending(stream as StreamId, code)
      }
      case frameTypes.maxStreamData: {
        const [stream, limit] = [reader.varint(), reader.varint()]
        return reader.isBroken ? undefined : sink.onMaxStreamData(stream as StreamId, limit)
      }
      case frameTypes.maxStreams: {
        const [kind, limit] = [reader.unsigned(1), reader.varint()]
        return reader.isBroken ? undefined : sink.onMaxStreams(kind, limit)
      }
      case frameTypes.maxData: {
        const limit = reader.varint()
        if (!reader.isBroken) sink.onMaxData(limit)
        return undefined
      }
      case frameTypes.keyUpdate: {
        const generation = reader.varint()
        return reader.isBroken ? undefined : sink.onKeyUpdate(generation)
      }
      case frameTypes.newConnectionId:
        return this.#readNewConnectionId(sink)
      default:
        return violation('frameEncoding', `unknown frame type ${type}`)
    }
  }

  #readNewConnectionId(sink: FrameSink): Violation | undefined {
    const reader = this.#reader
    const sequence = reader.varint()
    const retirePriorTo = reader.varint()
    const id = reader.take(CONNECTION_ID_BYTES)
    const token = reader.take(RESET_TOKEN_BYTES)
    if (reader.isBroken) return undefined
    // RFC 9000 §19.15
    if (retirePriorTo > sequence) return violation('frameEncoding', 'retires the id it brings')
    return sink.onNewConnectionId(sequence, retirePriorTo, id, token)
  }
}
