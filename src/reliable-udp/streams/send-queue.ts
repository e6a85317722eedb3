/**
 * Whose turn it is to send: strictly by class, and round robin, one frame each, inside a class. Streams that only the
 * connection's flow control holds back wait aside, so that looking for work never means going through all of them.
 */
import type { Stream } from './stream.ts'
import { streamPriorities, type StreamPriority } from './stream-id.ts'

class Turns {
  #streams: Stream[] = [] // ≤ open streams: each is in at most once (`isQueued`)
  #head = 0

  get first(): Stream | undefined {
    return this.#streams[this.#head]
  }

  push(stream: Stream): void {
    this.#streams.push(stream)
  }

  shift(): Stream | undefined {
    const stream = this.#streams[this.#head]
    this.#head += 1
    if (this.#head >= this.#streams.length) {
      this.#streams = []
      this.#head = 0
    } else if (this.#head >= 64) {
      this.#streams = this.#streams.slice(this.#head)
      this.#head = 0
    }
    return stream
  }
}

export class SendQueue {
  readonly #turns: Readonly<Record<StreamPriority, Turns>> = {
    control: new Turns(),
    chat: new Turns(),
    bulk: new Turns(),
  }
  #withoutCredit: Stream[] = [] // ≤ open streams

  /** The stream has something to send, or may have. */
  add(stream: Stream): void {
    if (stream.isQueued) return
    stream.isQueued = true
    this.#turns[stream.priority].push(stream)
  }

  /** The most urgent class with work, given the connection's credit for fresh bytes. */
  mostUrgent(credit: number): StreamPriority | undefined {
    for (const priority of streamPriorities) {
      if (this.first(priority, credit) !== undefined) return priority
    }
    return undefined
  }

  /** The stream of that class whose turn it is; it keeps its turn. */
  first(priority: StreamPriority, credit: number): Stream | undefined {
    const turns = this.#turns[priority]
    for (;;) {
      const stream = turns.first
      if (stream === undefined) return undefined
      if (stream.send?.hasWork(credit) === true) return stream
      turns.shift()
      stream.isQueued = false
      if (credit === 0 && stream.send?.hasWork(1) === true) this.#setAside(stream)
    }
  }

  /** The first stream has sent a frame: the next one's turn. */
  rotate(priority: StreamPriority): void {
    const stream = this.#turns[priority].shift()
    if (stream !== undefined) this.#turns[priority].push(stream)
  }

  /** The connection may send fresh bytes again. */
  handleCredit(): void {
    const waiting = this.#withoutCredit
    this.#withoutCredit = []
    for (const stream of waiting) {
      stream.isWithoutCredit = false
      this.add(stream)
    }
  }

  // It may still come back into turn meanwhile: what was lost needs no credit.
  #setAside(stream: Stream): void {
    if (stream.isWithoutCredit) return
    stream.isWithoutCredit = true
    this.#withoutCredit.push(stream)
  }
}
