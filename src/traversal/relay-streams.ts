/**
 * The TLS streams to relays, of all sessions together: where UDP brings nothing, one stream to a relay carries the
 * channels of every peer. This machine says which streams are wanted; whoever owns it makes them and tells what became
 * of them.
 *
 *     closed ──(somebody wants it)──► opening ──► open ──(nobody wants it, 30 s)──► closed
 *        ▲            full jitter, 0.5 … 15 s  │       │
 *        └─────────────────────────────────────┴───────┘
 */
import { toHex } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import { type Random, uniform } from '../core/random.ts'
import type { RelayStream } from './relay-client.ts'

export type RelayStreamsEvent =
  /** A TLS stream to this relay is to be made, which is then the socket of that name. */
  | {
      readonly kind: 'relay-stream-wanted'
      readonly relayId: Uint8Array // 8 bytes
      readonly socket: SocketId
    }
  /** The stream is of no use any more, or has never been made: it is to be closed. */
  | { readonly kind: 'relay-stream-unwanted'; readonly socket: SocketId }

/** What a relay's ticket calls it, as hex. */
type RelayKey = string

type StreamState =
  | { readonly kind: 'closed'; readonly retryAt: Instant }
  | { readonly kind: 'opening'; readonly socket: SocketId }
  | { readonly kind: 'open'; readonly stream: RelayStream; readonly idleAt: Instant | undefined }

interface Line {
  readonly relayId: Uint8Array
  /** Whoever wants it: one for each session and ticket. */
  readonly wanting: Set<object>
  state: StreamState
  failures: number
}

/** A relay that restarts is back within seconds; and a conversation ends after 30 s of silence. */
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 15_000

/** A session that ends is often followed by the next. */
const IDLE_MS = 30_000

export class RelayStreams {
  readonly #random: Random
  readonly #lines = new Map<RelayKey, Line>() // ≤ the relays of our tickets: those that somebody wants, or did lately
  readonly #events = new OutboundQueue<RelayStreamsEvent>()
  #count = 0

  /** Nobody answers over UDP, as STUN says: then nobody waits for it. */
  isUdpSilent = false

  constructor(random: Random) {
    this.#random = random
  }

  /** The stream to this relay, if it stands. */
  streamTo(relayId: Uint8Array): RelayStream | undefined {
    const state = this.#lines.get(toHex(relayId))?.state
    return state?.kind === 'open' ? state.stream : undefined
  }

  want(now: Instant, relayId: Uint8Array, who: object): void {
    const key = toHex(relayId)
    const line = this.#lines.get(key)
    if (line === undefined) {
      const fresh: Line = {
        relayId,
        wanting: new Set([who]),
        state: { kind: 'closed', retryAt: now },
        failures: 0,
      }
      this.#lines.set(key, fresh)
      this.#open(fresh)
      return
    }
    line.wanting.add(who)
    if (line.state.kind === 'open') line.state = { ...line.state, idleAt: undefined }
  }

  release(now: Instant, who: object): void {
    for (const [key, line] of this.#lines) {
      if (!line.wanting.delete(who) || line.wanting.size > 0) continue
      if (line.state.kind === 'open') line.state = { ...line.state, idleAt: after(now, IDLE_MS) }
      else this.#drop(key, line)
    }
  }

  opened(socket: SocketId, proof: Uint8Array, remote: Endpoint): void {
    const line = this.#lineOf(socket)
    if (line?.state.kind !== 'opening') return
    line.failures = 0
    line.state = { kind: 'open', stream: { socket, proof, remote }, idleAt: undefined }
  }

  /** It could not be made, or has ended. */
  closed(now: Instant, socket: SocketId): void {
    const line = this.#lineOf(socket)
    if (line !== undefined) this.#retryLater(now, line)
  }

  /** Nothing comes by this stream any more, though nobody closed it. */
  suspect(now: Instant, socket: SocketId): void {
    const line = this.#lineOf(socket)
    if (line === undefined) return
    this.#events.push({ kind: 'relay-stream-unwanted', socket })
    this.#retryLater(now, line)
  }

  /** What stands belongs to the old network; what was waited for is tried at once. */
  networkChanged(): void {
    for (const [key, line] of this.#lines) {
      line.failures = 0
      if (line.wanting.size === 0) {
        this.#drop(key, line)
        continue
      }
      const socket = socketOf(line.state)
      if (socket !== undefined) this.#events.push({ kind: 'relay-stream-unwanted', socket })
      this.#open(line)
    }
  }

  /** There is reason to believe that it can be done now: nobody waits any longer. */
  retryAll(): void {
    for (const line of this.#lines.values()) {
      line.failures = 0
      if (line.state.kind === 'closed') this.#open(line)
    }
  }

  handleTimeout(now: Instant): void {
    for (const [key, line] of this.#lines) {
      const { state } = line
      if (state.kind === 'closed' && now >= state.retryAt) this.#open(line)
      const isIdle = state.kind === 'open' && state.idleAt !== undefined && now >= state.idleAt
      if (isIdle) this.#drop(key, line)
    }
  }

  pollEvent(): RelayStreamsEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    let first: Instant | undefined
    for (const { state } of this.#lines.values()) {
      if (state.kind === 'closed') first = earliest(first, state.retryAt)
      if (state.kind === 'open') first = earliest(first, state.idleAt)
    }
    return first
  }

  #lineOf(socket: SocketId): Line | undefined {
    return [...this.#lines.values()].find(({ state }) => socketOf(state) === socket)
  }

  #open(line: Line): void {
    this.#count += 1
    const socket = socketNamed(`relay-tls:${toHex(line.relayId)}:${this.#count}`)
    line.state = { kind: 'opening', socket }
    this.#events.push({ kind: 'relay-stream-wanted', relayId: line.relayId, socket })
  }

  #retryLater(now: Instant, line: Line): void {
    const ceilingMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** line.failures)
    line.failures += 1
    line.state = { kind: 'closed', retryAt: after(now, uniform(this.#random) * ceilingMs) }
    if (line.wanting.size === 0) this.#lines.delete(toHex(line.relayId))
  }

  #drop(key: RelayKey, line: Line): void {
    const socket = socketOf(line.state)
    if (socket !== undefined) this.#events.push({ kind: 'relay-stream-unwanted', socket })
    this.#lines.delete(key)
  }
}

function socketOf(state: StreamState): SocketId | undefined {
  switch (state.kind) {
    case 'closed':
      return undefined
    case 'opening':
      return state.socket
    case 'open':
      return state.stream.socket
  }
}
