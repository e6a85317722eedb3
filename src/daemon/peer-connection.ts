/**
 * The encrypted connection of one session with the one chat stream on it.
 *
 * The initiator opens the stream as soon as it is connected. The first frame each way holds the version of what follows;
 * it also makes the stream known to the responder, who may otherwise have nothing to answer to. Messages come after it.
 */
import type { Endpoint } from '../core/endpoint.ts'
import type { Instant } from '../core/instant.ts'
import type { SocketId, Transmit } from '../core/machine.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { StaticKey } from '../crypto/static-key.ts'
import type { AccountNumber, DeviceKeys } from '../protocol/server/messages.ts'
import { Connection } from '../reliable-udp/connection.ts'
import type { ConnectionEvent, ConnectionStats } from '../reliable-udp/connection-event.ts'
import type { ConnectionId } from '../reliable-udp/packet.ts'
import { type Path, samePath } from '../reliable-udp/path.ts'
import type { StreamId } from '../reliable-udp/streams/stream-id.ts'
import { PeerChat } from './peer-chat.ts'
import type { PeerCloseReason } from './peer-events.ts'
import {
  connectionRole,
  firstConnectionId,
  handshakePayload,
  isIntroducedDevice,
  sessionPrologue,
} from './peer-keys.ts'

export interface PeerConnectionOptions {
  readonly own: AccountNumber
  readonly peer: AccountNumber
  readonly session: Uint8Array
  readonly staticKey: StaticKey
  readonly device: DeviceKeys
  /** The device that the server introduced. */
  readonly peerDevice: DeviceKeys
  /** The peer's static key is known from before: one trip less. */
  readonly isPinned: boolean
  readonly path: Path
  readonly random: Random
}

export type PeerConnectionEvent =
  | { readonly kind: 'open'; readonly remoteStatic: Uint8Array; readonly payload: Uint8Array }
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'send-ready' }
  /** The ids under which packets reach us are others now. */
  | { readonly kind: 'ids-changed' }
  /** Always the last one. */
  | { readonly kind: 'closed'; readonly reason: PeerCloseReason }

const CHAT_VERSION = 1

/** What the peer is told when we close. */
const GOODBYE = 0
const SPOILT = 1

export class PeerConnection {
  readonly #isInitiator: boolean
  readonly #connection: Connection
  readonly #chat = new PeerChat()
  readonly #events = new OutboundQueue<PeerConnectionEvent>()
  #stream: StreamId | undefined
  #proof: { readonly remoteStatic: Uint8Array; readonly payload: Uint8Array } | undefined
  #hasVersion = false
  #hasRefusedSomebody = false
  #isClosed = false

  constructor(options: PeerConnectionOptions) {
    const { own, peer, session, peerDevice, isPinned } = options
    const role = connectionRole(own, peer)
    this.#isInitiator = role === 'initiator'
    this.#connection = new Connection({
      role,
      pattern: isPinned ? 'IK' : 'XX',
      staticKey: options.staticKey,
      ...(isPinned ? { remoteStatic: peerDevice.static } : {}),
      prologue: sessionPrologue(session, own, peer),
      payload: handshakePayload(options.device),
      initialId: firstConnectionId(session),
      random: options.random,
      path: options.path,
      accept: (remoteStatic, payload) => this.#accepts(peerDevice, remoteStatic, payload),
    })
    this.#chat.queue(Uint8Array.of(CHAT_VERSION))
  }

  /** The initiator's first packet; a responder waits for it. */
  start(now: Instant): void {
    if (this.#isInitiator) this.#connection.start(now)
    this.#settle(now)
  }

  get ids(): readonly ConnectionId[] {
    return this.#connection.localIds
  }

  /** Somebody who is not the introduced device tried to be it. */
  get hasRefusedSomebody(): boolean {
    return this.#hasRefusedSomebody
  }

  get stats(): ConnectionStats {
    return this.#connection.stats
  }

  /** Nothing will ever come of it any more. */
  get isFinished(): boolean {
    return this.#connection.state === 'closed'
  }

  /** False when there is no room: `send-ready` tells when there is. */
  send(now: Instant, message: Uint8Array): boolean {
    const isTaken = this.#chat.queue(message)
    this.#flush(now)
    this.#settle(now)
    return isTaken
  }

  /** `rttMs` where it was measured: a path that is known need not be learnt. */
  migrate(now: Instant, path: Path, rttMs?: number): void {
    if (samePath(this.#connection.path, path)) return
    this.#connection.migrate(now, path, rttMs)
    this.#settle(now)
  }

  /** The path's own questions keep it and show that the peer is there: the connection sends none. */
  vouch(now: Instant, until: Instant | undefined): void {
    this.#connection.vouch(now, until)
  }

  close(now: Instant): void {
    this.#closeWith(now, GOODBYE, 'goodbye', 'local')
    this.#settle(now)
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void {
    this.#connection.handleDatagram(now, from, bytes, via)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#connection.handleTimeout(now)
    this.#settle(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#connection.pollTransmit()
  }

  pollEvent(): PeerConnectionEvent | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return this.#connection.pollTimeout()
  }

  #accepts(device: DeviceKeys, remoteStatic: Uint8Array, payload: Uint8Array): boolean {
    const isIntroduced = isIntroducedDevice(device, remoteStatic, payload)
    if (!isIntroduced) this.#hasRefusedSomebody = true
    return isIntroduced
  }

  #settle(now: Instant): void {
    let event: ConnectionEvent | undefined
    while ((event = this.#connection.pollEvent()) !== undefined) this.#take(now, event)
  }

  #take(now: Instant, event: ConnectionEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#handleConnected(now, event)
        return
      case 'stream-opened':
        if (!this.#isInitiator && event.priority === 'chat') this.#open(now, event.stream)
        return
      case 'stream-readable':
        if (event.stream === this.#stream) this.#read(now, event.stream)
        return
      case 'stream-writable':
        if (event.stream === this.#stream) this.#flush(now)
        return
      case 'stream-finished':
      case 'stream-reset':
      case 'stream-stopped':
        if (event.stream === this.#stream) this.#closeWith(now, GOODBYE, 'no chat', 'peer')
        return
      case 'local-id':
      case 'local-id-retired':
        this.#events.push({ kind: 'ids-changed' })
        return
      case 'path-changed':
      case 'datagram':
        return
      case 'closed':
        this.#tellClosed(event.reason === 'reset' ? 'outlived' : event.reason)
        return
    }
  }

  #handleConnected(
    now: Instant,
    { remoteStatic, payload }: Extract<ConnectionEvent, { kind: 'connected' }>,
  ): void {
    this.#proof = { remoteStatic, payload }
    if (!this.#isInitiator) return
    this.#open(now, this.#connection.openStream(now, { priority: 'chat' }))
  }

  // Further chat streams are room for the future: nobody reads them, and flow control bounds them.
  #open(now: Instant, stream: StreamId): void {
    if (this.#stream !== undefined || this.#proof === undefined) return
    this.#stream = stream
    this.#events.push({ kind: 'open', ...this.#proof })
    this.#flush(now)
  }

  #flush(now: Instant): void {
    const stream = this.#stream
    if (stream === undefined || this.#isClosed) return
    const hasRoomAgain = this.#chat.flush((bytes) => this.#connection.write(now, stream, bytes))
    if (hasRoomAgain) this.#events.push({ kind: 'send-ready' })
  }

  #read(now: Instant, stream: StreamId): void {
    for (;;) {
      const bytes = this.#connection.read(now, stream)
      if (bytes === undefined) return
      const messages = this.#chat.receive(bytes)
      if (!messages.ok) {
        this.#closeWith(now, SPOILT, messages.why, 'protocol-violation')
        return
      }
      for (const message of messages.value) this.#receive(message)
    }
  }

  #receive(message: Uint8Array): void {
    if (this.#hasVersion) this.#events.push({ kind: 'message', bytes: message })
    this.#hasVersion = true // all versions so far begin alike
  }

  #closeWith(now: Instant, code: number, text: string, reason: PeerCloseReason): void {
    if (this.#isClosed) return
    this.#connection.close(now, code, text)
    this.#tellClosed(reason)
  }

  #tellClosed(reason: PeerCloseReason): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#events.push({ kind: 'closed', reason })
  }
}
