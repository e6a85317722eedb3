/** Which streams exist, and how many there may be: numbering and limits for each kind (RFC 9000 §2.1, §4.6). */
import { type Violation, violation } from '../transport-error.ts'
import { newStream, type Stream } from './stream.ts'
import {
  indexOf,
  isUnidirectional,
  kindOf,
  MAX_STREAMS,
  sideOf,
  STREAM_KINDS,
  type StreamId,
  streamIdOf,
  type StreamSide,
} from './stream-id.ts'

/** Of each kind, opened by the peer and not over: with six kinds 384, which bounds the whole table. */
export const MAX_PEER_STREAMS = 64

/** The peer hears of a new limit when this many streams are over, not for each one. */
const LIMIT_STEP = 16

export type Found = Stream | Violation | undefined

export function isViolation(found: Found): found is Violation {
  return found !== undefined && 'code' in found
}

export class StreamTable {
  readonly #side: StreamSide
  readonly #receiveWindow: number
  readonly #streams = new Map<StreamId, Stream>() // ≤ STREAM_KINDS × (MAX_PEER_STREAMS + what we open)
  readonly #nextOwn = new Float64Array(STREAM_KINDS)
  readonly #nextPeer = new Float64Array(STREAM_KINDS)
  readonly #ownLimit = new Float64Array(STREAM_KINDS)
  readonly #peerLimit = new Float64Array(STREAM_KINDS).fill(MAX_PEER_STREAMS)
  readonly #peerOver = new Float64Array(STREAM_KINDS)
  readonly #onOpened: (stream: Stream) => void
  #sendLimit = 0

  constructor(side: StreamSide, receiveWindow: number, onOpened: (stream: Stream) => void) {
    this.#side = side
    this.#receiveWindow = receiveWindow
    this.#onOpened = onOpened
  }

  get size(): number {
    return this.#streams.size
  }

  /** What the peer's transport parameters allow at first. */
  setPeerParameters(streamsPerKind: number, bytesPerStream: number): void {
    this.#ownLimit.fill(Math.min(streamsPerKind, MAX_STREAMS))
    this.#sendLimit = bytesPerStream
  }

  raiseOwnLimit(kind: number, limit: number): void {
    this.#ownLimit[kind] = Math.max(this.#ownLimit[kind] ?? 0, Math.min(limit, MAX_STREAMS))
  }

  get(id: StreamId): Stream | undefined {
    return this.#streams.get(id)
  }

  values(): IterableIterator<Stream> {
    return this.#streams.values()
  }

  /** `undefined` when the peer allows no more for now. */
  open(kind: number): Stream | undefined {
    const index = this.#nextOwn[kind] ?? 0
    if (index >= (this.#ownLimit[kind] ?? 0)) return undefined
    this.#nextOwn[kind] = index + 1
    return this.#add(streamIdOf(this.#side, kind, index))
  }

  /**
   * The stream that a frame of the peer is about, opened if the frame is its first; `undefined` when it is over.
   * `half`: which of our halves the frame is for.
   */
  find(id: StreamId, half: 'send' | 'receive'): Found {
    const known = this.#streams.get(id)
    const isOurs = sideOf(id) === this.#side
    if (isUnidirectional(id) && isOurs === (half === 'receive')) {
      return violation('streamState', 'a frame against the direction of its stream')
    }
    if (known !== undefined) return known
    const kind = kindOf(id)
    const index = indexOf(id)
    if (isOurs) {
      if (kind < STREAM_KINDS && index < (this.#nextOwn[kind] ?? 0)) return undefined
      return violation('streamState', 'a frame for a stream that we never opened')
    }
    if (kind >= STREAM_KINDS || index >= (this.#peerLimit[kind] ?? 0)) {
      return violation('streamLimit', 'more streams than we allow')
    }
    return this.#openUpTo(kind, index)
  }

  /** Forgets it; the answer is whether the peer should hear of a new limit for its kind. */
  remove(stream: Stream): boolean {
    if (!this.#streams.delete(stream.id) || sideOf(stream.id) === this.#side) return false
    const kind = kindOf(stream.id)
    this.#peerOver[kind] = (this.#peerOver[kind] ?? 0) + 1
    return this.#wantedLimit(kind) - (this.#peerLimit[kind] ?? 0) >= LIMIT_STEP
  }

  /** The limit to tell the peer now. */
  peerLimit(kind: number): number {
    this.#peerLimit[kind] = Math.max(this.#peerLimit[kind] ?? 0, this.#wantedLimit(kind))
    return this.#peerLimit[kind] ?? 0
  }

  #wantedLimit(kind: number): number {
    return (this.#peerOver[kind] ?? 0) + MAX_PEER_STREAMS
  }

  // RFC 9000 §2.1: a stream's first frame opens all of its kind with lower numbers as well.
  #openUpTo(kind: number, index: number): Stream | undefined {
    const peer = this.#side === 'initiator' ? 'responder' : 'initiator'
    let opened: Stream | undefined
    for (let next = this.#nextPeer[kind] ?? 0; next <= index; next++) {
      opened = this.#add(streamIdOf(peer, kind, next))
      this.#nextPeer[kind] = next + 1
      this.#onOpened(opened)
    }
    return opened
  }

  #add(id: StreamId): Stream {
    const stream = newStream(id, this.#side, this.#sendLimit, this.#receiveWindow)
    this.#streams.set(id, stream)
    return stream
  }
}
