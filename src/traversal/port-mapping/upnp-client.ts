/**
 * One mapping by UPnP: finds the Internet Gateway Device, adds the mapping in whatever way the gateway likes, adds it
 * again at half of its lease (which is how UPnP renews), deletes it.
 *
 *     resting ─► searching ─► found ─► adding ─► held ─► deleting ─► resting
 *                    ▲                    ▲       │
 *                    │                    └───────┤ external address, then adding again
 *                    └── gateway not there any more: its URLs change when it restarts
 *
 * One request at a time is with the owner. A gateway that keeps mappings for ever is asked as often as any other, and
 * without an answer we believe no longer in it than in a lease.
 */
import { type Endpoint, endpoint, sameEndpoint } from '../../core/endpoint.ts'
import { after, earliest, type Instant } from '../../core/instant.ts'
import type { Transmit } from '../../core/machine.ts'
import { OutboundQueue } from '../../core/outbound-queue.ts'
import type { Random } from '../../core/random.ts'
import {
  HTTP_PATIENCE_MS,
  type HttpOutcome,
  type HttpRequest,
  MAX_HTTP_BODY_BYTES,
} from './http-exchange.ts'
import {
  type ActionResult,
  addRequest,
  addressRequest,
  deleteRequest,
  readAddress,
  readAdded,
  readDeleted,
} from './igd-actions.ts'
import { type Attempt, attemptAfter, firstAttempt, UPNP_LEASE_SECONDS } from './igd-attempt.ts'
import { type Igd, IgdSearch, type IgdSearchEvent } from './igd-search.ts'
import { type Lease, leaseOf, postponed } from './lease.ts'
import type {
  ClientEvent,
  MappingClient,
  MappingRecord,
  UnavailableReason,
  WantedMapping,
} from './mapping-client.ts'

export interface UpnpClientOptions {
  readonly wanted: WantedMapping
  readonly random: Random
  /** Unique among all whose answers come back the same way. */
  readonly nextHttpId: () => number
  /** Made by an earlier life of the daemon; deleted once, when the gateway has been found. */
  readonly leftovers: readonly MappingRecord[]
}

type State =
  | { readonly kind: 'resting' }
  | { readonly kind: 'searching' }
  | { readonly kind: 'found'; readonly igd: Igd }
  | {
      readonly kind: 'adding'
      readonly igd: Igd
      readonly attempt: Attempt
      /** To be deleted as soon as it is known what was added. */
      readonly isLeaving: boolean
    }
  | { readonly kind: 'held'; readonly igd: Igd }
  | { readonly kind: 'asking-address'; readonly igd: Igd }
  | { readonly kind: 'deleting' }

type Adding = Extract<State, { kind: 'adding' }>

/** The mapping as the gateway last confirmed it. */
interface Holding {
  readonly lease: Lease
  readonly isPermanent: boolean
  readonly igd: Igd
}

export class UpnpClient implements MappingClient {
  readonly #options: UpnpClientOptions
  readonly #search: IgdSearch
  readonly #events = new OutboundQueue<ClientEvent>()
  #leftovers: readonly MappingRecord[]
  #state: State = { kind: 'resting' }
  #holding: Holding | undefined
  #call: { readonly id: number; readonly giveUpAt: Instant } | undefined

  constructor(options: UpnpClientOptions) {
    this.#options = options
    this.#leftovers = options.leftovers
    this.#search = new IgdSearch({ gateway: options.wanted.gateway })
  }

  discover(now: Instant): void {
    this.#call = undefined
    this.#state = { kind: 'searching' }
    this.#search.start(now)
    this.#drainSearch(now)
  }

  map(now: Instant): void {
    if (this.#state.kind !== 'found') return
    const { igd } = this.#state
    const attempt = firstAttempt(this.#options.wanted.localPort, igd.service.hasAnyPort)
    this.#add(now, { kind: 'adding', igd, attempt, isLeaving: false })
  }

  check(now: Instant): void {
    if (this.#state.kind === 'held') this.#confirm(now, this.#state.igd)
  }

  release(now: Instant): void {
    const state = this.#state
    if (state.kind === 'adding') {
      this.#state = { ...state, isLeaving: true }
      return
    }
    const holding = this.#holding
    this.#forget()
    if (holding === undefined) this.#events.push({ kind: 'released', isConfirmed: true })
    else this.#delete(now, holding.igd, holding.lease.external.port)
  }

  abandon(now: Instant): void {
    const holding = this.#holding
    this.#forget()
    if (holding === undefined) return
    this.#want(now, deleteRequest(holding.igd.service, holding.lease.external.port))
    this.#call = undefined // whatever is said to it
  }

  httpAnswered(now: Instant, id: number, outcome: HttpOutcome): void {
    if (this.#call?.id !== id) return
    this.#call = undefined
    const body = bodyOf(outcome)
    const state = this.#state
    switch (state.kind) {
      case 'searching':
        this.#search.httpAnswered(body)
        this.#drainSearch(now)
        return
      case 'adding':
        this.#handleAdded(now, state, body)
        return
      case 'asking-address':
        this.#handleAddress(now, state.igd, body)
        return
      case 'deleting': {
        const isConfirmed = body !== undefined && readDeleted(body).kind === 'done'
        this.#forget()
        this.#events.push({ kind: 'released', isConfirmed })
        return
      }
      case 'resting':
      case 'found':
      case 'held':
    }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    this.#search.handleDatagram(from, bytes)
    this.#drainSearch(now)
  }

  handleTimeout(now: Instant): void {
    this.#search.handleTimeout(now)
    this.#drainSearch(now)
    if (this.#call !== undefined && now >= this.#call.giveUpAt) {
      this.httpAnswered(now, this.#call.id, { kind: 'failed', why: 'nothing heard of it' })
    }
    const holding = this.#holding
    if (holding === undefined) return
    if (now >= holding.lease.expiresAt) this.#fail('expired')
    else if (this.#state.kind === 'held' && now >= holding.lease.renewAt) {
      this.#confirm(now, holding.igd)
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.#search.pollTransmit()
  }

  pollEvent(): ClientEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    const renewAt = this.#state.kind === 'held' ? this.#holding?.lease.renewAt : undefined
    const expiresAt = this.#holding?.lease.expiresAt
    return earliest(this.#search.pollTimeout(), this.#call?.giveUpAt, renewAt, expiresAt)
  }

  #drainSearch(now: Instant): void {
    let event: IgdSearchEvent | undefined
    while ((event = this.#search.pollEvent()) !== undefined) this.#handleSearch(now, event)
  }

  #handleSearch(now: Instant, event: IgdSearchEvent): void {
    switch (event.kind) {
      case 'http-wanted':
        this.#want(now, event.request)
        return
      case 'igd-found':
        this.#handleFound(now, event.igd)
        return
      case 'nothing-found':
        if (this.#holding === undefined) this.#fail(event.why)
        else this.#postpone(now, this.#holding)
    }
  }

  #handleFound(now: Instant, igd: Igd): void {
    if (this.#holding !== undefined) {
      this.#addAgain(now, igd, this.#holding)
      return
    }
    this.#clean(now, igd)
    this.#state = { kind: 'found', igd }
    this.#events.push({ kind: 'found' })
  }

  /** Are we still there, and where? Then the mapping is added again. */
  #confirm(now: Instant, igd: Igd): void {
    this.#state = { kind: 'asking-address', igd }
    this.#want(now, addressRequest(igd.service))
  }

  #handleAddress(now: Instant, igd: Igd, body: Uint8Array | undefined): void {
    const result = body === undefined ? undefined : readAddress(body)
    if (this.#holding === undefined) return
    if (result?.kind === 'done') {
      this.#addAgain(now, { ...igd, externalAddress: result.value }, this.#holding)
    } else {
      this.discover(now)
    }
  }

  #addAgain(now: Instant, igd: Igd, { lease, isPermanent }: Holding): void {
    const leaseSeconds = isPermanent ? 0 : UPNP_LEASE_SECONDS
    const attempt: Attempt = {
      ...firstAttempt(this.#options.wanted.localPort, false), // the very port, not any
      externalPort: lease.external.port,
      leaseSeconds,
    }
    this.#add(now, { kind: 'adding', igd, attempt, isLeaving: false })
  }

  #add(now: Instant, state: Adding): void {
    this.#state = state
    this.#want(now, addRequest(state.igd.service, { ...this.#options.wanted, ...state.attempt }))
  }

  #handleAdded(now: Instant, state: Adding, body: Uint8Array | undefined): void {
    const { igd, attempt, isLeaving } = state
    const wanted = { ...this.#options.wanted, ...attempt }
    const result = body === undefined ? undefined : readAdded(wanted, body)
    if (isLeaving) {
      this.#leave(now, igd, result)
    } else if (result?.kind === 'done') {
      this.#hold(now, igd, attempt, result.value)
    } else if (result?.code !== undefined) {
      this.#tryNext(now, state, result.code)
    } else if (this.#holding !== undefined) {
      this.discover(now)
    } else {
      this.#fail('silent')
    }
  }

  /** Deletes what is known to be ours: a port that we did not get may be somebody else's. */
  #leave(now: Instant, igd: Igd, result: ActionResult<number> | undefined): void {
    const held = result === undefined ? this.#holding?.lease.external.port : undefined
    const port = result?.kind === 'done' ? result.value : held
    this.#forget()
    if (port !== undefined) this.#delete(now, igd, port)
    else this.#events.push({ kind: 'released', isConfirmed: result !== undefined })
  }

  #tryNext(now: Instant, state: Adding, code: number): void {
    const { localPort } = this.#options.wanted
    const next = attemptAfter(code, state.attempt, { localPort, random: this.#options.random })
    if (next.kind === 'try') this.#add(now, { ...state, attempt: next.attempt })
    else this.#fail(next.why)
  }

  #hold(now: Instant, igd: Igd, attempt: Attempt, port: number): void {
    const external = endpoint(igd.externalAddress, port)
    if (!external.ok) return
    const before = this.#holding?.lease.external
    const lease = leaseOf(now, external.value, UPNP_LEASE_SECONDS)
    const isPermanent = attempt.leaseSeconds === 0
    this.#holding = { lease, isPermanent, igd }
    this.#state = { kind: 'held', igd }
    const isSame = before !== undefined && sameEndpoint(before, lease.external)
    this.#events.push({
      kind: 'mapped',
      external: lease.external,
      lifetimeMs: lease.lifetimeMs,
      isPermanent,
      cause: before === undefined ? 'made' : isSame ? 'renewed' : 'remade',
      record: { by: 'upnp', localPort: this.#options.wanted.localPort, externalPort: port },
    })
  }

  #postpone(now: Instant, holding: Holding): void {
    this.#holding = { ...holding, lease: postponed(now, holding.lease) }
    this.#state = { kind: 'held', igd: holding.igd }
  }

  #delete(now: Instant, igd: Igd, port: number): void {
    this.#state = { kind: 'deleting' }
    this.#want(now, deleteRequest(igd.service, port))
  }

  /** A mapping of our own port is not cleaned but overwritten. */
  #clean(now: Instant, igd: Igd): void {
    for (const { by, externalPort } of this.#leftovers) {
      if (by !== 'upnp' || externalPort === this.#options.wanted.localPort) continue
      this.#want(now, deleteRequest(igd.service, externalPort))
    }
    this.#call = undefined // whatever is said to these
    this.#leftovers = []
  }

  #want(now: Instant, request: HttpRequest): void {
    const id = this.#options.nextHttpId()
    this.#call = { id, giveUpAt: after(now, HTTP_PATIENCE_MS) }
    this.#events.push({ kind: 'http-wanted', id, request })
  }

  #fail(why: UnavailableReason): void {
    this.#forget()
    this.#events.push({ kind: 'unavailable', why })
  }

  #forget(): void {
    this.#search.stop()
    this.#state = { kind: 'resting' }
    this.#holding = undefined
    this.#call = undefined
  }
}

/** `undefined` for a failure; too long is one. */
function bodyOf(outcome: HttpOutcome): Uint8Array | undefined {
  const isUsable = outcome.kind === 'answered' && outcome.body.length <= MAX_HTTP_BODY_BYTES
  return isUsable ? outcome.body : undefined
}
