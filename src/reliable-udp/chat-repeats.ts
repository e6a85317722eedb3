/**
 * Small chat frames are sent more than once before anybody knows that they were lost. A lost message otherwise costs a
 * round trip and more; a few hundred bytes spent in advance make it arrive about when it would have anyway.
 *
 * A frame of at most 300 bytes goes again about 12 and 30 ms after it was sent, unless it is acknowledged by then, and
 * rides along in the room that other packets of the next half round trip leave. The copies are ordinary STREAM frames:
 * receivers drop what they know, the window counts them. Where packets are lost in numbers, that is congestion, and
 * nothing is repeated.
 */
import { after, type Instant } from '../core/instant.ts'
import type { SentPiece } from './streams/send-stream.ts'
import { priorityOf, type StreamId } from './streams/stream-id.ts'

export const LONGEST_REPEATED_BYTES = 300

/** Beyond a burst of lost packets in a Wi-Fi retry (10 ms), and beyond the next one. */
const REPEAT_AFTER_MS = [12, 30] as const

/** A message in so many copies has had its chance; loss recovery has the rest. */
const MAX_COPIES = 5

/** More than a person types in a second; of a flood the oldest are not repeated. */
const MAX_ENTRIES = 16

/** Random loss on bad Wi-Fi is some 5 %; at this share something is overloaded. */
const FAR_ABOVE_NORMAL_LOSS = 0.2
const LOSS_MEMORY_PACKETS = 64

export interface Repeat {
  readonly stream: StreamId
  readonly offset: number
  readonly length: number
  readonly isLast: boolean
  readonly sentAt: Instant
  /** Copies at the fixed times so far. */
  due: number
  copies: number
}

export class ChatRepeats {
  #entries: Repeat[] = [] // ≤ MAX_ENTRIES, oldest dropped
  #lossShare = 0
  #deadline: Instant | undefined

  /** Not acknowledged as far as known, oldest first. */
  get entries(): readonly Repeat[] {
    return this.#entries
  }

  get deadline(): Instant | undefined {
    return this.#deadline
  }

  handleSent(now: Instant, piece: Readonly<SentPiece>): void {
    const { stream, offset, length, isLast, fresh } = piece
    if (fresh === 0 || length > LONGEST_REPEATED_BYTES || priorityOf(stream) !== 'chat') return
    if (this.#lossShare > FAR_ABOVE_NORMAL_LOSS) return
    this.#entries.push({ stream, offset, length, isLast, sentAt: now, due: 0, copies: 0 })
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift()
    this.#setDeadline()
  }

  /** Counts towards what is normal on this path. */
  handleFate(wasLost: boolean): void {
    this.#lossShare += ((wasLost ? 1 : 0) - this.#lossShare) / LOSS_MEMORY_PACKETS
    if (this.#lossShare > FAR_ABOVE_NORMAL_LOSS) this.clear()
  }

  /** Whether one of the fixed times has come. */
  isDue(now: Instant): boolean {
    return this.#deadline !== undefined && this.#deadline <= now
  }

  /** Whether this entry's next fixed time has come. */
  isEntryDue(now: Instant, entry: Repeat): boolean {
    const dueAt = nextAt(entry)
    return dueAt !== undefined && dueAt <= now
  }

  /** Whether a packet that has room anyway should carry it. */
  mayRideAlong(now: Instant, entry: Repeat, rttMs: number): boolean {
    return entry.copies < MAX_COPIES && entry.sentAt < now && now - entry.sentAt <= rttMs / 2
  }

  /** The times that have come are over, whether or not a copy found room. */
  settle(now: Instant, isUnacked: (entry: Repeat) => boolean, rttMs: number): void {
    if (this.#entries.length === 0) return
    for (const entry of this.#entries) {
      while (this.isEntryDue(now, entry)) entry.due += 1
    }
    this.#entries = this.#entries.filter(
      (entry) =>
        isUnacked(entry) && (nextAt(entry) !== undefined || now - entry.sentAt <= rttMs / 2),
    )
    this.#setDeadline()
  }

  clear(): void {
    this.#entries = []
    this.#deadline = undefined
  }

  #setDeadline(): void {
    let earliest: Instant | undefined
    for (const entry of this.#entries) {
      const at = nextAt(entry)
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at
    }
    this.#deadline = earliest
  }
}

function nextAt(entry: Repeat): Instant | undefined {
  const delay = REPEAT_AFTER_MS[entry.due]
  return delay === undefined ? undefined : after(entry.sentAt, delay)
}
