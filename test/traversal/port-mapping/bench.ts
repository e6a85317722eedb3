import type { Endpoint } from '../../../src/core/endpoint.ts'
import { after, earliest, type Instant, instant } from '../../../src/core/instant.ts'
import type { Machine, Transmit } from '../../../src/core/machine.ts'
import type { HttpOutcome, HttpRequest } from '../../../src/traversal/port-mapping/http-exchange.ts'
import { ipv4 } from '../../stun/endpoints.ts'

export const GATEWAY = ipv4('192.168.1.1', 5351)
export const LOCAL = { localAddress: '192.168.1.5', localPort: 40000 } as const
export const SSDP_GROUP = ipv4('239.255.255.250', 1900)

interface Subject<Event> extends Machine<Event> {
  httpAnswered?(now: Instant, id: number, outcome: HttpOutcome): void
}

interface HttpWanted {
  readonly kind: 'http-wanted'
  readonly id: number
  readonly request: HttpRequest
}

export interface Answer {
  readonly from: Endpoint
  readonly bytes: Uint8Array
}

/** What is around the machine: whoever gets its datagrams, and whoever gets its requests. */
export interface Surroundings {
  readonly datagram?: (now: Instant, transmit: Transmit) => readonly Answer[]
  /** `undefined`: nothing is ever heard of it. */
  readonly http?: (request: HttpRequest, now: Instant) => HttpOutcome | undefined
  /** One way. */
  readonly delayMs?: number
}

interface Arrival {
  readonly at: Instant
  readonly deliver: () => void
}

/** Runs a machine in virtual time and writes down what it does. */
export class Bench<Event extends { readonly kind: string }> {
  readonly sent: { readonly at: number; readonly transmit: Transmit }[] = []
  readonly requests: { readonly at: number; readonly request: HttpRequest }[] = []
  readonly events: Event[] = []
  now = instant(0)
  readonly #subject: Subject<Event>
  readonly #surroundings: Surroundings
  readonly #delayMs: number
  #arrivals: Arrival[] = []

  constructor(subject: Subject<Event>, surroundings: Surroundings = {}) {
    this.#subject = subject
    this.#surroundings = surroundings
    this.#delayMs = surroundings.delayMs ?? 1
  }

  get sentAt(): readonly number[] {
    return this.sent.map(({ at }) => at)
  }

  change(command: (now: Instant) => void): this {
    command(this.now)
    this.#drain()
    return this
  }

  receive(from: Endpoint, bytes: Uint8Array): this {
    return this.change((now) => this.#subject.handleDatagram(now, from, bytes))
  }

  /** Lets time pass, whatever happens in it included. */
  run(untilMs: number): this {
    for (;;) {
      const arrival = this.#arrivals[0]
      const next = earliest(arrival?.at, this.#subject.pollTimeout())
      if (next === undefined || next > untilMs) break
      this.now = instant(Math.max(this.now, next))
      if (arrival !== undefined && arrival.at <= this.now) {
        this.#arrivals.shift()
        arrival.deliver()
      } else {
        this.#subject.handleTimeout(this.now)
      }
      this.#drain()
    }
    this.now = instant(Math.max(this.now, untilMs))
    return this
  }

  /** The events since the last time, but for requests. */
  take(): readonly Event[] {
    return this.events.splice(0)
  }

  #drain(): void {
    for (;;) {
      const transmit = this.#subject.pollTransmit()
      if (transmit !== undefined) {
        this.#send(transmit)
        continue
      }
      const event = this.#subject.pollEvent()
      if (event === undefined) return
      if (isHttpWanted(event)) this.#request(event)
      else this.events.push(event)
    }
  }

  #send(transmit: Transmit): void {
    this.sent.push({ at: this.now, transmit })
    const there = after(this.now, this.#delayMs)
    this.#arrive(there, () => {
      for (const { from, bytes } of this.#surroundings.datagram?.(there, transmit) ?? []) {
        const back = after(there, this.#delayMs)
        this.#arrive(back, () => this.#subject.handleDatagram(back, from, bytes))
      }
    })
  }

  #request({ id, request }: HttpWanted): void {
    this.requests.push({ at: this.now, request })
    const outcome = this.#surroundings.http?.(request, this.now)
    if (outcome === undefined) return
    const back = after(this.now, 2 * this.#delayMs)
    this.#arrive(back, () => this.#subject.httpAnswered?.(back, id, outcome))
  }

  #arrive(at: Instant, deliver: () => void): void {
    this.#arrivals.push({ at, deliver })
    this.#arrivals.sort((one, other) => one.at - other.at)
  }
}

function isHttpWanted(event: object): event is HttpWanted {
  return 'kind' in event && event.kind === 'http-wanted'
}
