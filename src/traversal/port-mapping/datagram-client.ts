/**
 * One mapping by PCP or NAT-PMP: greets the gateway to learn whether it speaks the protocol, makes the mapping, renews
 * it at half of its lease, makes it again when the gateway has forgotten it, deletes it.
 *
 *     resting ─► greeting ─► found ─► requesting ─► held ─► deleting ─► resting
 *                                                  ▲  │ renewing at half of the lease, greeting every minute
 *                                                  └──┘
 *
 * Datagrams count only when they come from the very endpoint that was asked.
 */
import { type Endpoint, sameEndpoint } from '../../core/endpoint.ts'
import { after, earliest, type Instant } from '../../core/instant.ts'
import type { Transmit } from '../../core/machine.ts'
import { OutboundQueue } from '../../core/outbound-queue.ts'
import { Asking } from './asking.ts'
import type { Dialect, Heard } from './dialect.ts'
import { DELETE_SCHEDULE } from './gateway-schedules.ts'
import { type Lease, leaseOf, postponed } from './lease.ts'
import type {
  ClientEvent,
  Mapped,
  MappingClient,
  MappingRecord,
  UnavailableReason,
} from './mapping-client.ts'

export interface DatagramClientOptions {
  readonly gateway: Endpoint
  readonly dialect: Dialect
  /** Made by an earlier life of the daemon; deleted once, when the gateway has answered. */
  readonly leftovers: readonly MappingRecord[]
}

type State =
  | { readonly kind: 'resting' }
  | { readonly kind: 'greeting'; readonly asking: Asking }
  | { readonly kind: 'found' }
  | { readonly kind: 'requesting'; readonly asking: Asking }
  | {
      readonly kind: 'held'
      readonly lease: Lease
      readonly greetAt: Instant
      readonly open: OpenQuestion | undefined
    }
  | { readonly kind: 'deleting'; readonly asking: Asking }

interface OpenQuestion {
  readonly purpose: 'renewal' | 'greeting'
  readonly asking: Asking
  /** To be told with the answer to a renewal. */
  readonly cause: 'renewed' | 'remade'
}

type Held = Extract<State, { kind: 'held' }>
type Granted = Extract<Heard, { kind: 'granted' }>
type Refused = Extract<Heard, { kind: 'refused' }>

/** A gateway that restarts tells it to 224.0.0.1:5350, where nobody may be listening on our behalf. */
const GREET_AGAIN_MS = 60_000

export class DatagramClient implements MappingClient {
  readonly #gateway: Endpoint
  readonly #dialect: Dialect
  readonly #transmits = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<ClientEvent>()
  #leftovers: readonly MappingRecord[]
  #state: State = { kind: 'resting' }

  constructor({ gateway, dialect, leftovers }: DatagramClientOptions) {
    this.#gateway = gateway
    this.#dialect = dialect
    this.#leftovers = leftovers
  }

  discover(now: Instant): void {
    this.#state = { kind: 'greeting', asking: this.#ask(now, this.#dialect.greeting()) }
    this.#advance(now)
  }

  map(now: Instant): void {
    this.#state = { kind: 'requesting', asking: this.#ask(now, this.#dialect.request(undefined)) }
    this.#advance(now)
  }

  check(now: Instant): void {
    if (this.#state.kind === 'held') this.#renew(now, this.#state, 'renewed')
  }

  release(now: Instant): void {
    if (this.#mayBeMapped) {
      const asking = new Asking(now, DELETE_SCHEDULE, this.#dialect.deletion())
      this.#state = { kind: 'deleting', asking }
      this.#advance(now)
    } else {
      this.#become({ kind: 'released', isConfirmed: true })
    }
  }

  abandon(): void {
    if (this.#mayBeMapped) this.#transmit(this.#dialect.deletion())
    this.#state = { kind: 'resting' }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    if (!sameEndpoint(from, this.#gateway)) return
    const heard = this.#dialect.hear(now, bytes)
    if (heard !== undefined) this.#handle(now, heard)
  }

  handleTimeout(now: Instant): void {
    const state = this.#state
    if (state.kind === 'held' && now >= state.lease.expiresAt) {
      this.#fail('expired')
      return
    }
    if (state.kind === 'held' && state.open === undefined) this.#begin(now, state)
    this.#advance(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift()
  }

  pollEvent(): ClientEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const state = this.#state
    if (state.kind !== 'held') return askingOf(state)?.dueAt
    const { lease, greetAt, open } = state
    return earliest(open?.asking.dueAt ?? earliest(lease.renewAt, greetAt), lease.expiresAt)
  }

  get #mayBeMapped(): boolean {
    return this.#state.kind === 'requesting' || this.#state.kind === 'held'
  }

  #handle(now: Instant, heard: Heard): void {
    const state = this.#state
    switch (state.kind) {
      case 'resting':
      case 'found':
        return
      case 'greeting':
        this.#handleGreeted(heard)
        return
      case 'requesting':
        this.#handleRequested(now, heard)
        return
      case 'held':
        this.#handleHeld(now, state, heard)
        return
      case 'deleting':
        this.#handleDeleted(heard)
    }
  }

  #handleGreeted(heard: Heard): void {
    if (heard.kind === 'other-version') this.#fail('unsupported-version')
    else if (heard.kind === 'refused' && heard.what === 'greeting') this.#fail(heard.why)
    else if (heard.kind === 'alive') {
      this.#clean()
      this.#become({ kind: 'found' }, { kind: 'found' })
    }
  }

  #handleRequested(now: Instant, heard: Heard): void {
    if (heard.kind === 'granted') this.#hold(now, heard, 'made')
    else if (heard.kind === 'deleted') this.#fail('refused')
    else if (heard.kind === 'refused' && heard.what === 'mapping') this.#fail(heard.why)
  }

  #handleDeleted(heard: Heard): void {
    if (heard.kind === 'deleted') this.#become({ kind: 'released', isConfirmed: true })
    else if (heard.kind === 'refused' && heard.what === 'mapping') {
      this.#become({ kind: 'released', isConfirmed: false })
    }
  }

  #handleHeld(now: Instant, state: Held, heard: Heard): void {
    switch (heard.kind) {
      case 'other-version':
        return // it spoke ours; should it have unlearned it, the lease ends
      case 'alive': {
        const greeted = this.#greeted(now, state)
        if (heard.hasForgotten) this.#renew(now, greeted, 'remade')
        return
      }
      case 'granted':
        if (state.open?.purpose === 'renewal') this.#handleRenewed(now, state, state.open, heard)
        return
      case 'deleted':
        if (state.open?.purpose === 'renewal') this.#fail('refused')
        return
      case 'refused':
        this.#handleRefused(now, state, heard)
    }
  }

  #handleRenewed(now: Instant, { lease }: Held, open: OpenQuestion, heard: Granted): void {
    // With a lost epoch this very answer has made the mapping again.
    const isOther = heard.hasForgotten || !sameEndpoint(heard.external, lease.external)
    this.#hold(now, heard, isOther ? 'remade' : open.cause)
  }

  #handleRefused(now: Instant, state: Held, { what, why, isPassing }: Refused): void {
    if (what === 'greeting') this.#greeted(now, state)
    else if (state.open?.purpose !== 'renewal') return
    else if (isPassing)
      this.#state = { ...state, lease: postponed(now, state.lease), open: undefined }
    else this.#fail(why)
  }

  /** Greeted enough for a while; a renewal that is open stays so. */
  #greeted(now: Instant, state: Held): Held {
    const open = state.open?.purpose === 'greeting' ? undefined : state.open
    const greeted = { ...state, open, greetAt: after(now, GREET_AGAIN_MS) }
    this.#state = greeted
    return greeted
  }

  #hold(now: Instant, heard: Granted, cause: Mapped['cause']): void {
    const lease = leaseOf(now, heard.external, heard.lifetimeSeconds)
    this.#state = { kind: 'held', lease, greetAt: after(now, GREET_AGAIN_MS), open: undefined }
    const { external, lifetimeMs } = lease
    const record = this.#dialect.record(external)
    this.#events.push({ kind: 'mapped', external, lifetimeMs, isPermanent: false, cause, record })
  }

  #begin(now: Instant, state: Held): void {
    if (now >= state.lease.renewAt) this.#renew(now, state, 'renewed')
    else if (now >= state.greetAt) {
      const asking = this.#ask(now, this.#dialect.greeting())
      this.#state = { ...state, open: { purpose: 'greeting', asking, cause: 'renewed' } }
    }
  }

  #renew(now: Instant, state: Held, cause: OpenQuestion['cause']): void {
    const asking = this.#ask(now, this.#dialect.request(state.lease.external))
    this.#state = { ...state, open: { purpose: 'renewal', asking, cause } }
    this.#advance(now)
  }

  #ask(now: Instant, bytes: Uint8Array): Asking {
    return new Asking(now, this.#dialect.schedule(), bytes)
  }

  /** Sends what is due, and gives up what nobody answered. */
  #advance(now: Instant): void {
    const asking = askingOf(this.#state)
    const step = asking?.step(now) ?? 'wait'
    if (asking !== undefined && step === 'send') this.#transmit(asking.bytes)
    if (step === 'give-up') this.#giveUp(now, this.#state)
  }

  #giveUp(now: Instant, state: State): void {
    if (state.kind === 'deleting') this.#become({ kind: 'released', isConfirmed: false })
    else if (state.kind !== 'held') this.#fail('silent')
    else if (state.open?.purpose === 'greeting') this.#greeted(now, state)
    else this.#state = { ...state, lease: postponed(now, state.lease), open: undefined }
  }

  #clean(): void {
    for (const leftover of this.#leftovers) {
      const deletion = this.#dialect.cleaning(leftover)
      if (deletion !== undefined) this.#transmit(deletion)
    }
    this.#leftovers = []
  }

  #fail(why: UnavailableReason): void {
    this.#become({ kind: 'unavailable', why })
  }

  #become(event: ClientEvent, state: State = { kind: 'resting' }): void {
    this.#state = state
    this.#events.push(event)
  }

  #transmit(bytes: Uint8Array): void {
    this.#transmits.push({ to: this.#gateway, bytes })
  }
}

function askingOf(state: State): Asking | undefined {
  switch (state.kind) {
    case 'resting':
    case 'found':
      return undefined
    case 'held':
      return state.open?.asking
    case 'greeting':
    case 'requesting':
    case 'deleting':
      return state.asking
  }
}
