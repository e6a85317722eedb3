/** Runs a link machine on real TLS streams: the stream counterpart of `drive.ts`, with the same rule. */
import type { Clock } from '../core/clock.ts'
import type { Instant } from '../core/instant.ts'
import type { LinkMachine, LinkOutput } from '../core/machine.ts'
import { Alarm } from './alarm.ts'
import type { SecureStream } from './byte-stream.ts'

export interface LinkDriver {
  change<R>(command: (now: Instant) => R): R
  /** Ends the drive: flushes and closes the stream, if one stands. */
  stop(): void
}

export interface DriveLinkOptions<Event> {
  readonly clock: Clock
  /** Makes the stream that the machine asks for; a rejection is told to the machine as a disconnect. */
  readonly connect: () => Promise<SecureStream>
  readonly onEvent: (event: Event, now: Instant) => void
}

export function driveLink<Event>(
  machine: LinkMachine<Event>,
  options: DriveLinkOptions<Event>,
): LinkDriver {
  return new LinkMachineDriver(machine, options)
}

class LinkMachineDriver<Event> implements LinkDriver {
  readonly #machine: LinkMachine<Event>
  readonly #options: DriveLinkOptions<Event>
  readonly #alarm: Alarm
  #stream: SecureStream | undefined
  #attempt = 0
  #isDraining = false
  #isStopped = false

  constructor(machine: LinkMachine<Event>, options: DriveLinkOptions<Event>) {
    this.#machine = machine
    this.#options = options
    // Timers come before sockets in the event loop: after it was held up, what has arrived is read before silence is judged.
    this.#alarm = new Alarm(options.clock, () => setImmediate(() => this.#handleTimeout()))
    this.#drain()
  }

  change<R>(command: (now: Instant) => R): R {
    const result = command(this.#options.clock.now())
    this.#drain()
    return result
  }

  stop(): void {
    this.#isStopped = true
    this.#alarm.clear()
    this.#dropStream()
  }

  #handleTimeout(): void {
    if (!this.#isStopped) this.change((now) => this.#machine.handleTimeout(now))
  }

  #drain(): void {
    if (this.#isDraining || this.#isStopped) return
    this.#isDraining = true
    try {
      this.#drainAll()
    } finally {
      this.#isDraining = false
    }
    this.#setAlarm()
  }

  // An event's handler may have stopped the drive meanwhile.
  #setAlarm(): void {
    if (!this.#isStopped) this.#alarm.set(this.#machine.pollTimeout())
  }

  #drainAll(): void {
    for (;;) {
      let output: LinkOutput | undefined
      while ((output = this.#machine.pollOutput()) !== undefined) this.#perform(output)
      const event = this.#machine.pollEvent()
      if (event === undefined) return
      this.#options.onEvent(event, this.#options.clock.now())
    }
  }

  #perform(output: LinkOutput): void {
    switch (output.kind) {
      case 'connect':
        void this.#connect() // never rejects: every outcome is told to the machine
        return
      case 'bytes':
        this.#stream?.write(output.bytes)
        return
      case 'disconnect':
        this.#dropStream()
        return
    }
  }

  async #connect(): Promise<void> {
    this.#dropStream()
    const attempt = this.#attempt
    try {
      const stream = await this.#options.connect()
      if (attempt === this.#attempt && !this.#isStopped) this.#adopt(stream)
      else stream.destroy()
    } catch (error) {
      if (attempt !== this.#attempt) return
      const why = error instanceof Error ? error.message : String(error)
      this.change((now) => this.#machine.handleDisconnected(now, why))
    }
  }

  #adopt(stream: SecureStream): void {
    this.#stream = stream
    stream.onClose((why) => {
      if (this.#stream !== stream) return
      this.#stream = undefined
      this.change((now) => this.#machine.handleDisconnected(now, why))
    })
    this.change((now) => this.#machine.handleConnected(now, stream.channel))
    stream.onBytes((bytes) => {
      if (this.#stream === stream) this.change((now) => this.#machine.handleBytes(now, bytes))
    })
  }

  // A stream or an attempt that the machine has given up is nothing it hears of again.
  #dropStream(): void {
    this.#attempt += 1
    const stream = this.#stream
    this.#stream = undefined
    stream?.close()
  }
}
