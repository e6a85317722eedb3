/**
 * One client of the control socket: lines in, answers and events out, within bounds that keep its faults its own.
 *
 * Lines are worked off one after the other as long as the client takes what we write; while it does not, its lines
 * wait and its socket is not read. A client that takes nothing for 30 s is closed.
 */
import type { JSONRPCServer } from 'json-rpc-2.0'
import type { Clock } from '../core/clock.ts'
import { HollerError } from '../core/holler-error.ts'
import { after } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import { Alarm } from '../io/alarm.ts'
import type { ByteStream } from '../io/byte-stream.ts'
import { busyFault } from '../protocol/control/error-answer.ts'
import { encodeJsonLine, JsonLineDecoder, type LineResult } from '../protocol/control/json-lines.ts'
import {
  answerTooLong,
  type ControlRequest,
  identifierOf,
  lineFault,
  readRequest,
  requestFault,
} from '../protocol/control/request.ts'
import { MAX_LINE_BYTES } from '../protocol/control/schema.ts'
import { type ControlClient, eventNotification, type SubscriptionWish } from './control-client.ts'
import { Subscription } from './control-subscription.ts'
import { every } from './deadline.ts'
import type { EphemeralEvent } from './events.ts'
import type { Journal } from './journal.ts'
import type { Listeners } from './listeners.ts'
import { RateLimit } from './rate-limit.ts'
import { SerialQueue } from './serial-queue.ts'

export const MAX_IN_FLIGHT = 32
export const MAX_REQUESTS_PER_SECOND = 100

/** Nothing more is begun while this much has not left. Not below Node's own mark, or no drain would follow. */
const ROOM_BYTES = 64 * 1024

/** A reader that takes nothing for so long has stopped, or died without telling. */
const SLOW_CONSUMER_MS = 30_000

/**
 * A client that has finished writing may still want events, but when it dies the system does not tell us until we
 * write: an empty line, which is nothing between two JSON values.
 */
const ALIVE_MS = 30_000
const EMPTY_LINE = Buffer.from('\n')

/** Methods with long answers: one at a time for a client, so that answers do not pile up in memory. */
const LONG_ANSWERS: ReadonlySet<string> = new Set([
  'buddy.list',
  'events.fetch',
  'message.list',
  'net.status',
  'outbox.list',
])

export interface ConnectionOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly journal: Journal
  readonly ephemeral: Listeners<EphemeralEvent>
  readonly rpc: JSONRPCServer<ControlClient>
  readonly onClosed: () => void
  readonly slowConsumerMs?: number
}

export class ControlConnection {
  readonly #stream: ByteStream
  readonly #options: ConnectionOptions
  readonly #decoder = new JsonLineDecoder()
  readonly #rate: RateLimit
  readonly #slow: Alarm
  readonly #stopChecking: () => void
  readonly #gone = new AbortController()
  readonly #longAnswers = new SerialQueue()
  #lines: readonly LineResult[] = [] // of one read (64 KiB): nothing is read while there are any
  #inFlight = 0 // ≤ MAX_IN_FLIGHT
  #subscription: Subscription | undefined
  #whenRoom: (() => void) | undefined // one: long answers wait for each other
  #isBlocked = false
  #hasEnded = false

  constructor(stream: ByteStream, options: ConnectionOptions) {
    this.#stream = stream
    this.#options = options
    this.#rate = new RateLimit(MAX_REQUESTS_PER_SECOND, options.clock.now())
    this.#slow = new Alarm(options.clock, () => this.#giveUp('slow_consumer'))
    this.#stopChecking = every(options.clock, ALIVE_MS, () => this.#checkAlive())
    stream.onClose(() => this.#handleClose())
    stream.onDrain(() => this.#handleDrain())
    stream.onEnd(() => this.#handleEnd())
    stream.onBytes((bytes) => this.#handleBytes(bytes))
  }

  /** Sends what is queued, then closes. */
  close(): void {
    this.#unsubscribe()
    this.#stream.close()
  }

  #handleBytes(bytes: Uint8Array): void {
    this.#lines = [...this.#lines, ...this.#decoder.push(bytes)]
    this.#workOff()
  }

  #workOff(): void {
    let next = 0
    for (const line of this.#lines) {
      if (!this.#hasRoom()) break
      next += 1
      this.#handleLine(line)
    }
    this.#lines = this.#lines.slice(next)
    if (this.#lines.length > 0) this.#stream.pause()
    else this.#stream.resume()
    this.#closeWhenDone()
  }

  #handleLine(line: LineResult): void {
    const value = line.ok ? line.value : undefined
    const waitMs = this.#rate.take(this.#options.clock.now())
    const request = readRequest(value)
    if (waitMs > 0) {
      const message = `More than ${MAX_REQUESTS_PER_SECOND} requests a second`
      this.#write(busyFault(identifierOf(value), message, waitMs))
    } else if (!line.ok) {
      this.#write(lineFault(line.why))
    } else if (request === undefined) {
      this.#write(requestFault(value))
    } else if (this.#inFlight >= MAX_IN_FLIGHT) {
      const message = `More than ${MAX_IN_FLIGHT} requests at once`
      this.#write(busyFault(identifierOf(value), message, 1000 / MAX_REQUESTS_PER_SECOND))
    } else {
      void this.#serve(request) // never rejects
    }
  }

  async #serve(request: ControlRequest): Promise<void> {
    this.#inFlight += 1
    if (LONG_ANSWERS.has(request.method)) {
      await this.#longAnswers.run(async () => {
        await this.#room()
        await this.#answer(request)
      })
    } else {
      await this.#answer(request)
    }
    this.#inFlight -= 1
    this.#closeWhenDone()
  }

  async #answer(request: ControlRequest): Promise<void> {
    if (this.#gone.signal.aborted) return
    const tasks: (() => void)[] = [] // a method adds one at most
    const answer = await this.#options.rpc.receive(request, {
      signal: this.#gone.signal,
      subscribe: (wish) => tasks.push(this.#subscribe(wish)),
      unsubscribe: () => this.#unsubscribe(),
      afterAnswer: (task) => tasks.push(task),
    })
    if (answer !== null) this.#write(answer)
    for (const task of tasks) task()
  }

  /** The returned function lets the events flow. */
  #subscribe(wish: SubscriptionWish): () => void {
    const { clock, journal, ephemeral, logger } = this.#options
    let isAnswered = false
    this.#unsubscribe()
    const subscription = new Subscription({
      clock,
      journal,
      ephemeral,
      ...wish,
      write: (event) => this.#write(eventNotification(event)),
      hasRoom: () => isAnswered && this.#hasRoom(),
      onFailure: (error) => {
        logger.error('Cannot read the journal', { error: String(error) })
        this.#giveUp('journal unreadable')
      },
    })
    this.#subscription = subscription
    return () => {
      isAnswered = true
      subscription.resume()
    }
  }

  #unsubscribe(): void {
    this.#subscription?.stop()
    this.#subscription = undefined
  }

  #write(value: object): void {
    if (this.#gone.signal.aborted) return
    const line = encodeJsonLine(value)
    const isLine = line.length <= MAX_LINE_BYTES
    this.#stream.write(isLine ? line : encodeJsonLine(answerTooLong(value)))
    if (this.#hasRoom() || this.#isBlocked) return
    this.#isBlocked = true
    const { clock, slowConsumerMs } = this.#options
    this.#slow.set(after(clock.now(), slowConsumerMs ?? SLOW_CONSUMER_MS))
  }

  #handleDrain(): void {
    this.#isBlocked = false
    this.#slow.clear()
    this.#whenRoom?.()
    this.#workOff()
    this.#subscription?.resume()
  }

  #handleEnd(): void {
    this.#hasEnded = true
    this.#closeWhenDone()
  }

  // The other end has finished writing: what it asked for is still answered, and a subscription goes on.
  #closeWhenDone(): void {
    const isDone = this.#lines.length === 0 && this.#inFlight === 0
    if (this.#hasEnded && isDone && this.#subscription === undefined) this.#stream.close()
  }

  #handleClose(): void {
    this.#slow.clear()
    this.#stopChecking()
    this.#unsubscribe()
    this.#lines = []
    this.#gone.abort(new HollerError('DAEMON_UNREACHABLE', 'The client is gone'))
    this.#whenRoom?.()
    this.#options.onClosed()
  }

  #checkAlive(): void {
    if (this.#hasEnded && this.#hasRoom()) this.#stream.write(EMPTY_LINE)
  }

  #giveUp(reason: string): void {
    this.#options.logger.warn('Closed a client of the control socket', { reason })
    this.#stream.destroy()
  }

  async #room(): Promise<void> {
    if (this.#hasRoom() || this.#gone.signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#whenRoom = resolve
    })
    this.#whenRoom = undefined
  }

  #hasRoom(): boolean {
    return this.#stream.queuedBytes < ROOM_BYTES
  }
}
