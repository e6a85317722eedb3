/**
 * Many connections over the same sockets: datagrams find theirs by connection id, and strangers find none of our memory.
 *
 * A known id leads to its connection. An initial under an unknown one begins a connection, if we answer at all: half-open
 * ones are few for each address and in all, and when there are many already, whoever knocks has to show first that it
 * receives where it sends from (retry). Where we knock at that very address ourselves, it is the other side's knock, and
 * goes to that connection. A data packet under an unknown id is answered with a stateless reset, or is one itself.
 * Everything else is dropped and counted.
 */
import { copyOf, toHex } from '../core/bytes.ts'
import { type Endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import { earliest, type Instant } from '../core/instant.ts'
import type { Machine, SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { ConnectionEvent } from './connection-event.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { Connection } from './connection.ts'
import {
  decodeHandshakePacket,
  encodeRetry,
  encodeVersionNegotiation,
  type HandshakePacket,
  PROTOCOL_VERSION,
  RESERVED_VERSION,
} from './handshake-packet.ts'
import { HandshakeThrottle } from './handshake-throttle.ts'
import {
  BASE_DATAGRAM_BYTES,
  CONNECTION_ID_BYTES,
  type ConnectionId,
  packetConnectionId,
  packetKindOf,
} from './packet.ts'
import { type Path, pathOf, transmitOn } from './path.ts'
import { RetryTokens } from './retry-token.ts'
import { encodeReset, resetTokenIn } from './stateless-reset.ts'
import { TokenBucket } from './token-bucket.ts'

/** Connections of strangers that have not proven themselves, in all and from one address. */
const MAX_HALF_OPEN = 256
const MAX_HALF_OPEN_PER_ADDRESS = 16

/** With so many of them, or beyond this rate, somebody is at work: addresses are asked for. */
const RETRY_ABOVE_HALF_OPEN = 32
const THROTTLE = {
  unproven: { burst: 64, perSecond: 32 },
  proven: { burst: 256, perSecond: 256 },
} as const

/** A restart is told to all peers within seconds, and nobody can make us send for ever. */
const RESETS = { burst: 64, perSecond: 32 } as const

const DEFAULT_MAX_CONNECTIONS = 1024

/** What all connections of this endpoint have in common. */
export interface MultiplexerOptions {
  readonly common: Pick<
    ConnectionOptions,
    'staticKey' | 'prologue' | 'payload' | 'random' | 'resetKey' | 'idleTimeoutMs'
  >
  /** Who may come in; absent: nobody. */
  readonly accept?: (remoteStatic: Uint8Array, payload: Uint8Array) => boolean
  readonly maxConnections?: number
}

export type Outgoing = Pick<ConnectionOptions, 'path' | 'remoteStatic' | 'accept'> & {
  readonly payload?: Uint8Array
  /** 8 bytes that both know, where the two meet by hole punching and addresses say nothing. */
  readonly initialId?: Uint8Array
}

export type MultiplexerEvent =
  | {
      readonly kind: 'connection'
      readonly connection: Connection
      readonly isIncoming: boolean
      readonly event: ConnectionEvent
    }
  /** After `closed`: nothing is left to be said, and nothing is kept of it. */
  | { readonly kind: 'forgotten'; readonly connection: Connection }

export interface MultiplexerStats {
  readonly connections: number
  readonly halfOpen: number
  /** Names that lead to a connection: ≤ 8 for each. */
  readonly routes: number
  readonly dropped: number
  readonly retriesSent: number
  readonly resetsSent: number
}

interface Entry {
  readonly connection: Connection
  readonly isIncoming: boolean
  readonly address: string
  /** Where we knock, until we are answered. */
  readonly knocksAt: EndpointKey | undefined
  isHalfOpen: boolean
  resetToken: string | undefined
  deadline: Instant | undefined
}

export class Multiplexer implements Machine<MultiplexerEvent> {
  readonly #options: MultiplexerOptions
  readonly #tokens: RetryTokens
  readonly #throttle = new HandshakeThrottle(THROTTLE)
  readonly #resets = new TokenBucket(RESETS)
  readonly #entries = new Map<Connection, Entry>() // ≤ maxConnections, and what the owner opens
  readonly #routes = new Map<ConnectionId, Entry>() // ≤ 8 for each entry
  readonly #resetTokens = new Map<string, Entry>() // ≤ 1 for each entry
  readonly #knocks = new Map<EndpointKey, Entry>() // ≤ 1 for each entry
  readonly #halfOpen = new Map<string, number>() // ≤ MAX_HALF_OPEN addresses
  readonly #changed = new Set<Entry>() // ≤ entries: to be drained
  readonly #out = new OutboundQueue<Transmit>()
  readonly #events = new OutboundQueue<MultiplexerEvent>()
  #halfOpenCount = 0
  /**
   * No later than the earliest deadline: one that moved away is found out when its old time comes, so that a datagram
   * costs the same however many connections there are.
   */
  #wakeAt: Instant | undefined
  #dropped = 0
  #retriesSent = 0
  #resetsSent = 0

  constructor(options: MultiplexerOptions) {
    this.#options = options
    this.#tokens = new RetryTokens(options.common.random)
  }

  get stats(): MultiplexerStats {
    return {
      connections: this.#entries.size,
      halfOpen: this.#halfOpenCount,
      routes: this.#routes.size,
      dropped: this.#dropped,
      retriesSent: this.#retriesSent,
      resetsSent: this.#resetsSent,
    }
  }

  /** Knocks, and answers if the other side knocks too. */
  connect(now: Instant, outgoing: Outgoing): Connection {
    const { random } = this.#options.common
    const connection = new Connection({
      ...this.#options.common,
      initialId: copyOf(random.bytes(CONNECTION_ID_BYTES)),
      ...outgoing,
      payload: outgoing.payload ?? this.#options.common.payload,
      role: 'either',
      retryTokens: this.#tokens,
    })
    const { to } = outgoing.path
    const entry = this.#add(connection, {
      isIncoming: false,
      address: to.address,
      knocksAt: keyOf(to),
    })
    this.#knocks.set(keyOf(to), entry)
    connection.start(now)
    return connection
  }

  /** Gives one connection a command. */
  change<R>(connection: Connection, command: () => R): R {
    const entry = this.#entries.get(connection)
    if (entry !== undefined) this.#changed.add(entry)
    return command()
  }

  /** Ends all connections, each with a word to its peer. */
  closeAll(now: Instant, code: number, reason: string): void {
    for (const entry of this.#entries.values()) {
      entry.connection.close(now, code, reason)
      this.#changed.add(entry)
    }
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    const entry = this.#entryOf(from, bytes)
    if (entry !== undefined) this.#hand(now, entry, from, bytes, via)
    else this.#handleStranger(now, pathOf(from, via), bytes)
  }

  handleTimeout(now: Instant): void {
    this.#wakeAt = undefined
    for (const entry of this.#entries.values()) {
      if (entry.deadline !== undefined && entry.deadline <= now) {
        entry.connection.handleTimeout(now)
        this.#changed.add(entry)
      } else {
        this.#wakeAt = earliest(this.#wakeAt, entry.deadline)
      }
    }
  }

  pollTransmit(): Transmit | undefined {
    const own = this.#out.shift()
    if (own !== undefined) return own
    for (const entry of this.#changed) {
      const transmit = entry.connection.pollTransmit()
      if (transmit !== undefined) return transmit
      // What waited for its events to be told is asked for again after them.
      if (!this.#settle(entry)) this.#changed.delete(entry)
    }
    return undefined
  }

  pollEvent(): MultiplexerEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#entries.size === 0 ? undefined : this.#wakeAt
  }

  #entryOf(from: Endpoint, bytes: Uint8Array): Entry | undefined {
    const id = packetConnectionId(bytes)
    if (id === undefined) return undefined
    const known = this.#routes.get(id)
    if (known !== undefined) return known
    const kind = packetKindOf(bytes)
    if (kind === 'handshake') return this.#knocks.get(keyOf(from))
    const token = kind === 'data' ? resetTokenIn(bytes) : undefined
    return token === undefined ? undefined : this.#resetTokens.get(toHex(token))
  }

  #hand(
    now: Instant,
    entry: Entry,
    from: Endpoint,
    bytes: Uint8Array,
    via: SocketId | undefined,
  ): void {
    entry.connection.handleDatagram(now, from, bytes, via)
    this.#changed.add(entry)
  }

  #handleStranger(now: Instant, from: Path, bytes: Uint8Array): void {
    const kind = packetConnectionId(bytes) === undefined ? undefined : packetKindOf(bytes)
    if (kind === 'data') this.#answerWithReset(now, from, bytes)
    else if (kind === 'handshake') this.#answerKnock(now, from, bytes)
    else this.#dropped += 1
  }

  #answerWithReset(now: Instant, from: Path, bytes: Uint8Array): void {
    const { resetKey, random } = this.#options.common
    const reset = resetKey === undefined ? undefined : encodeReset(resetKey, random, bytes)
    if (reset === undefined || !this.#resets.take(now)) {
      this.#dropped += 1
      return
    }
    this.#resetsSent += 1
    this.#out.push(transmitOn(from, reset))
  }

  #answerKnock(now: Instant, from: Path, bytes: Uint8Array): void {
    const packet = decodeHandshakePacket(bytes)
    const isKnock =
      packet.ok && packet.value.step === 'initial' && bytes.length >= BASE_DATAGRAM_BYTES
    if (!isKnock || this.#options.accept === undefined) this.#dropped += 1
    else if (packet.value.version !== PROTOCOL_VERSION) this.#refuseVersion(from, packet.value)
    else this.#admit(now, from, bytes, packet.value)
  }

  // RFC 9000 §6.1: no state is kept; the answer is far smaller than the question.
  #refuseVersion(from: Path, { source, destination }: HandshakePacket): void {
    const versions = [PROTOCOL_VERSION, RESERVED_VERSION]
    const answer = encodeVersionNegotiation({ destination: source, source: destination, versions })
    this.#out.push(transmitOn(from, answer))
  }

  #admit(now: Instant, from: Path, bytes: Uint8Array, packet: HandshakePacket): void {
    const { source, destination, token } = packet
    const isProven = this.#tokens.isValid(now, from.to, source, token)
    const isBusy = this.#halfOpenCount >= RETRY_ABOVE_HALF_OPEN && !isProven
    const admission = isBusy ? 'retry' : this.#throttle.admit(now, isProven)
    if (admission === 'retry') {
      this.#retriesSent += 1
      const answer = this.#tokens.issue(now, from.to, source)
      const retry = encodeRetry({ destination: source, source: destination, token: answer })
      this.#out.push(transmitOn(from, retry))
    } else if (admission === 'dropped' || this.#isFull(from.to.address)) {
      this.#dropped += 1
    } else {
      this.#begin(now, from, bytes, destination)
    }
  }

  #isFull(address: string): boolean {
    const { maxConnections = DEFAULT_MAX_CONNECTIONS } = this.#options
    return (
      this.#entries.size >= maxConnections ||
      this.#halfOpenCount >= MAX_HALF_OPEN ||
      (this.#halfOpen.get(address) ?? 0) >= MAX_HALF_OPEN_PER_ADDRESS
    )
  }

  // Only whom the handshake makes sense of gets a place.
  #begin(now: Instant, from: Path, bytes: Uint8Array, initialId: Uint8Array): void {
    const { common, accept } = this.#options
    const connection = new Connection({
      ...common,
      role: 'responder',
      initialId: copyOf(initialId),
      path: from,
      retryTokens: this.#tokens,
      ...(accept === undefined ? {} : { accept }),
    })
    connection.start(now)
    connection.handleDatagram(now, from.to, bytes, from.via)
    if (!connection.isApproached) {
      this.#dropped += 1
      return
    }
    const { address } = from.to
    const entry = this.#add(connection, { isIncoming: true, address, knocksAt: undefined })
    entry.isHalfOpen = true
    this.#countHalfOpen(address, 1)
  }

  #add(connection: Connection, what: Pick<Entry, 'isIncoming' | 'address' | 'knocksAt'>): Entry {
    const entry: Entry = {
      connection,
      ...what,
      isHalfOpen: false,
      resetToken: undefined,
      deadline: undefined,
    }
    this.#entries.set(connection, entry)
    for (const id of connection.localIds) this.#routes.set(id, entry)
    this.#changed.add(entry)
    return entry
  }

  /** After everything it had to send: what it tells, where it is found, when it wants to be woken. True when it told. */
  #settle(entry: Entry): boolean {
    const { connection, isIncoming } = entry
    const told = this.#events.size
    for (let event = connection.pollEvent(); event !== undefined; event = connection.pollEvent()) {
      if (event.kind === 'local-id') this.#routes.set(event.id, entry)
      else if (event.kind === 'local-id-retired') this.#routes.delete(event.id)
      else if (event.kind === 'connected') this.#settleKnock(entry)
      this.#events.push({ kind: 'connection', connection, isIncoming, event })
    }
    entry.deadline = connection.pollTimeout()
    this.#wakeAt = earliest(this.#wakeAt, entry.deadline)
    this.#settleResetToken(entry)
    if (connection.state === 'closed') this.#remove(entry)
    return this.#entries.has(connection) && this.#events.size > told
  }

  #settleKnock(entry: Entry): void {
    const { knocksAt, address } = entry
    if (knocksAt !== undefined && this.#knocks.get(knocksAt) === entry)
      this.#knocks.delete(knocksAt)
    if (!entry.isHalfOpen) return
    entry.isHalfOpen = false
    this.#countHalfOpen(address, -1)
  }

  #settleResetToken(entry: Entry): void {
    const token = entry.connection.peerResetToken
    const name = token === undefined ? undefined : toHex(token)
    if (name === entry.resetToken) return
    if (entry.resetToken !== undefined) this.#resetTokens.delete(entry.resetToken)
    if (name !== undefined) this.#resetTokens.set(name, entry)
    entry.resetToken = name
  }

  #remove(entry: Entry): void {
    this.#settleKnock(entry)
    this.#entries.delete(entry.connection)
    if (entry.resetToken !== undefined) this.#resetTokens.delete(entry.resetToken)
    for (const id of entry.connection.localIds) {
      if (this.#routes.get(id) === entry) this.#routes.delete(id)
    }
    this.#events.push({ kind: 'forgotten', connection: entry.connection })
  }

  #countHalfOpen(address: string, change: 1 | -1): void {
    this.#halfOpenCount += change
    const count = (this.#halfOpen.get(address) ?? 0) + change
    if (count === 0) this.#halfOpen.delete(address)
    else this.#halfOpen.set(address, count)
  }
}
