/** The control frames of streams that are still to be sent, or to be sent again: always with what is true by then. */
import type { FrameWriter } from '../frame-writer.ts'
import type { SentPackets } from '../sent-packets.ts'
import type { ReceiveWindow } from './receive-window.ts'
import type { Stream } from './stream.ts'
import type { StreamId } from './stream-id.ts'
import type { StreamTable } from './stream-table.ts'

export type StreamControlFrame =
  'reset-stream' | 'stop-sending' | 'max-data' | 'max-stream-data' | 'max-streams'

export class OwedFrames {
  readonly #table: StreamTable
  readonly #window: ReceiveWindow
  #streams: Stream[] = [] // ≤ open streams: those that owe something
  #owesWindow = false
  #kinds = 0 // one bit for each kind whose MAX_STREAMS is owed

  constructor(table: StreamTable, connectionWindow: ReceiveWindow) {
    this.#table = table
    this.#window = connectionWindow
  }

  get isEmpty(): boolean {
    return !this.#owesWindow && this.#kinds === 0 && this.#streams.length === 0
  }

  /** The stream's own flags say what. */
  addOf(stream: Stream): void {
    if (!this.#streams.includes(stream)) this.#streams.push(stream)
  }

  addConnectionWindow(): void {
    this.#owesWindow = true
  }

  addLimitOf(kind: number): void {
    this.#kinds |= 1 << kind
  }

  /** `subject`: the stream, or the kind of streams. */
  addLost(frame: StreamControlFrame, subject: number): void {
    if (frame === 'max-data') {
      this.addConnectionWindow()
      return
    }
    if (frame === 'max-streams') {
      this.addLimitOf(subject)
      return
    }
    const stream = this.#table.get(subject as StreamId)
    if (stream === undefined) return
    if (frame === 'reset-stream') stream.owesReset = true
    else if (frame === 'stop-sending') stream.owesStop = stream.receive?.isFinished === false
    else stream.owesWindow = stream.receive?.wantsWindow === true
    this.addOf(stream)
  }

  /** What does not fit stays owed. */
  write(writer: FrameWriter, sent: SentPackets): void {
    if (this.#owesWindow && writer.maxData(this.#window.limit)) {
      sent.addFrame('max-data')
      this.#owesWindow = false
    }
    for (let kind = 0; this.#kinds >> kind !== 0; kind++) {
      if (((this.#kinds >> kind) & 1) === 0) continue
      if (!writer.maxStreams(kind, this.#table.peerLimit(kind))) break
      sent.addFrame('max-streams', kind)
      this.#kinds &= ~(1 << kind)
    }
    while (this.#streams.length > 0) {
      const stream = this.#streams.at(-1)
      if (stream === undefined || !writeOf(stream, writer, sent)) return
      this.#streams.pop()
    }
  }
}

function writeOf(stream: Stream, writer: FrameWriter, sent: SentPackets): boolean {
  if (stream.owesReset && stream.send !== undefined) {
    if (!stream.send.writeResetFrame(writer)) return false
    sent.addFrame('reset-stream', stream.id)
    stream.owesReset = false
  }
  if (stream.owesStop) {
    if (!writer.stopSending(stream.id, stream.stopCode)) return false
    sent.addFrame('stop-sending', stream.id)
    stream.owesStop = false
  }
  if (stream.owesWindow && stream.receive !== undefined) {
    if (!writer.maxStreamData(stream.id, stream.receive.window.limit)) return false
    sent.addFrame('max-stream-data', stream.id)
    stream.owesWindow = false
  }
  return true
}
