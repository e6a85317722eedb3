/**
 * The relay inside TLS: streams that asked for `holler-relay/1` on the session's port. Each becomes a socket of the
 * relay's machine, on which the same frames are spoken as over UDP.
 *
 * Until a channel is bound on it a stream is a stranger's: limited in number and time as connections before a login are
 * (`gate.ts`). Afterwards it stays as long as it has a channel, and those end by themselves when they are not used.
 */
import type { SecureStream } from '../io/byte-stream.ts'
import { Crowd, type CrowdMember } from '../core/crowd.ts'
import { datagramKind } from '../core/datagram-kind.ts'
import { after, type Instant } from '../core/instant.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'
import { relayStreamProof } from '../crypto/device-statement.ts'
import { DatagramStream } from '../io/datagram-stream.ts'
import type { Driver } from '../io/drive.ts'
import { MAX_RELAY_FRAME_BYTES } from '../protocol/relay/frames.ts'
import { MOST_STRANGERS, MOST_STRANGERS_PER_NETWORK } from './gate.ts'
import type { DeadlineAlarm, Outside } from './outside.ts'
import type { RelayEvent } from './relay.ts'
import type { UdpService } from './udp-service.ts'

/** From the handshake to a channel: a client binds in one round trip. Also what an idle stream has left. */
export const BIND_WITHIN_MS = 10_000

/** For one frame of at most 1.5 KB. */
export const RELAY_FRAME_WITHIN_MS = 20_000

const SWEEP_MS = 2_000

export interface RelayDoorOptions {
  readonly service: UdpService
  /** Runs `service`; its events of streams are to be handed to `handleEvent`. */
  readonly driver: Driver
  readonly outside: Outside
}

class Visitor implements CrowdMember {
  readonly id: SocketId
  readonly socket: DatagramStream
  bindBy: Instant | undefined

  constructor(id: SocketId, socket: DatagramStream, bindBy: Instant) {
    this.id = id
    this.socket = socket
    this.bindBy = bindBy
  }

  get remote(): DatagramStream['remote'] {
    return this.socket.remote
  }

  cut(why: string): void {
    this.socket.cut(why)
  }

  isOverdue(now: Instant): boolean {
    const { frameBegunAt } = this.socket
    if (this.bindBy !== undefined && this.bindBy <= now) return true
    return frameBegunAt !== undefined && after(frameBegunAt, RELAY_FRAME_WITHIN_MS) <= now
  }
}

export class RelayDoor {
  readonly #options: RelayDoorOptions
  readonly #strangers = new Crowd<Visitor>({
    most: MOST_STRANGERS,
    mostPerNetwork: MOST_STRANGERS_PER_NETWORK,
    why: 'too many streams without a channel',
  })
  readonly #visitors = new Map<SocketId, Visitor>() // BOUNDED: #strangers, and one for each channel of the relay
  readonly #alarm: DeadlineAlarm
  #count = 0
  #isClosed = false

  constructor(options: RelayDoorOptions) {
    this.#options = options
    this.#alarm = options.outside.makeAlarm((now) => this.#sweep(now))
  }

  get strangers(): number {
    return this.#strangers.size
  }

  /** A TLS handshake is done. */
  accept(stream: SecureStream): void {
    if (this.#isClosed) {
      stream.destroy()
      return
    }
    const { service, driver, outside } = this.#options
    this.#count += 1
    const id = socketNamed(`relay-tls:${this.#count}`)
    const { clock } = outside
    const socket = new DatagramStream({
      stream,
      clock,
      maxBytes: MAX_RELAY_FRAME_BYTES,
      isWanted: (datagram) => datagramKind(datagram) === 'relay',
      onClose: () => this.#handleClosed(id),
    })
    const visitor = new Visitor(id, socket, after(clock.now(), BIND_WITHIN_MS))
    this.#visitors.set(id, visitor)
    const proof = relayStreamProof(stream.channel.exporter)
    driver.change(() => service.streamOpened(id, proof))
    driver.addSocket(id, socket)
    this.#strangers.enter(visitor)
    if (this.#visitors.size === 1) this.#alarm.set(after(clock.now(), SWEEP_MS))
  }

  handleEvent(event: RelayEvent, now: Instant): void {
    const visitor = this.#visitors.get(event.via)
    if (visitor === undefined) return
    switch (event.kind) {
      case 'stream-bound':
        visitor.bindBy = undefined
        this.#strangers.leave(visitor)
        return
      case 'stream-idle':
        visitor.bindBy = after(now, BIND_WITHIN_MS)
        this.#strangers.enter(visitor)
        return
    }
  }

  /** Lets go of every stream. */
  close(): void {
    this.#isClosed = true
    this.#alarm.clear()
    for (const { socket } of [...this.#visitors.values()]) socket.cut('the server stops')
  }

  #handleClosed(id: SocketId): void {
    const visitor = this.#visitors.get(id)
    if (visitor === undefined) return
    this.#visitors.delete(id)
    this.#strangers.leave(visitor)
    const { service, driver } = this.#options
    void driver.removeSocket(id) // never rejects: it is closed
    driver.change(() => service.streamClosed(id))
  }

  #sweep(now: Instant): void {
    for (const visitor of [...this.#visitors.values()]) {
      if (visitor.isOverdue(now)) visitor.cut('nothing came in time')
    }
    if (this.#visitors.size > 0) this.#alarm.set(after(now, SWEEP_MS))
  }
}
