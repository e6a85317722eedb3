import type { AckRanges, FrameSink } from '../../src/reliable-udp/frame.ts'
import { FrameReader } from '../../src/reliable-udp/frame-reader.ts'
import type { Violation } from '../../src/reliable-udp/transport-error.ts'

export type CollectedFrame = readonly [name: string, ...fields: readonly unknown[]]

/** The frames of a payload as plain lists. */
class Collector implements FrameSink {
  readonly frames: CollectedFrame[] = []

  onPing(): void {
    this.frames.push(['ping'])
  }
  onAck(ranges: AckRanges, delayMs: number): undefined {
    const pairs = Array.from({ length: ranges.count }, (_, i) => [
      ranges.startAt(i),
      ranges.endAt(i),
    ])
    this.frames.push(['ack', delayMs, ...pairs])
  }
  onResetStream(stream: number, code: number, finalSize: number): undefined {
    this.frames.push(['reset-stream', stream, code, finalSize])
  }
  onStopSending(stream: number, code: number): undefined {
    this.frames.push(['stop-sending', stream, code])
  }
  onKeyUpdate(generation: number): undefined {
    this.frames.push(['key-update', generation])
  }
  onStream(
    stream: number,
    offset: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): undefined {
    this.frames.push([
      'stream',
      stream,
      offset,
      Buffer.from(bytes.subarray(start, end)).toString('hex'),
      isLast,
    ])
  }
  onMaxData(limit: number): void {
    this.frames.push(['max-data', limit])
  }
  onMaxStreamData(stream: number, limit: number): undefined {
    this.frames.push(['max-stream-data', stream, limit])
  }
  onMaxStreams(kind: number, limit: number): undefined {
    this.frames.push(['max-streams', kind, limit])
  }
  onNewConnectionId(sequence: number, retirePriorTo: number, id: Uint8Array): undefined {
    this.frames.push([
      'new-connection-id',
      sequence,
      retirePriorTo,
      Buffer.from(id).toString('hex'),
    ])
  }
  onPathChallenge(data: Uint8Array): void {
    this.frames.push(['path-challenge', Buffer.from(data).toString('hex')])
  }
  onPathResponse(data: Uint8Array): void {
    this.frames.push(['path-response', Buffer.from(data).toString('hex')])
  }
  onClose(isByApplication: boolean, code: number, reason: string): void {
    this.frames.push(['close', isByApplication, code, reason])
  }
  onDatagram(bytes: Uint8Array): void {
    this.frames.push(['datagram', Buffer.from(bytes).toString('hex')])
  }
}

export function collectFrames(payload: Uint8Array): {
  readonly frames: readonly CollectedFrame[]
  readonly violation: Violation | undefined
} {
  const collector = new Collector()
  const violation = new FrameReader().readAll(payload, collector)
  return { frames: collector.frames, violation }
}
