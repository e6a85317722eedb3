/**
 * Runs a machine on real sockets and the real clock. This file and test/sim/world.ts are the only two callers of
 * `poll*` from outside: one change, drain everything, next change.
 */
import type { Clock } from '../core/clock.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import type { Instant } from '../core/instant.ts'
import { forEachDatagram, type Machine, type SocketId, type Transmit } from '../core/machine.ts'
import { Alarm } from './alarm.ts'

export interface Sockets {
  /** The machine's primary sockets, at most one per address family. */
  readonly primary: readonly DatagramSocket[]
  /** Further ones, named in `Transmit.via`. */
  readonly named?: ReadonlyMap<SocketId, DatagramSocket>
}

export interface Driver {
  /** Gives the machine a command, then drains it. The only way in from outside. */
  change<R>(command: (now: Instant) => R): R
  /** Adds a socket that the machine asked for (birthday punching, a probe's fresh socket). */
  addSocket(id: SocketId, socket: DatagramSocket): void
  removeSocket(id: SocketId): Promise<void>
  /** Ends the drive; the sockets stay open and belong to whoever opened them. */
  stop(): void
}

export interface DriveOptions<Event> {
  readonly clock: Clock
  readonly sockets: Sockets
  /** Called after the machine has been drained of datagrams; may give further commands. */
  readonly onEvent: (event: Event, now: Instant) => void
}

/** A garbage collection or a hash is done within 0.2 s; a process that was stopped, or a starved machine, is not. */
const JUMP_MS = 1_000

/** Connects a machine with its sockets and starts its clock. */
export function drive<Event>(machine: Machine<Event>, options: DriveOptions<Event>): Driver {
  return new MachineDriver(machine, options)
}

class MachineDriver<Event> implements Driver {
  readonly #machine: Machine<Event>
  readonly #options: DriveOptions<Event>
  readonly #primary: ReadonlyMap<4 | 6, DatagramSocket>
  readonly #named: Map<SocketId, DatagramSocket>
  readonly #alarm: Alarm
  #deadline: Instant | undefined
  #isDraining = false
  #isStopped = false

  constructor(machine: Machine<Event>, options: DriveOptions<Event>) {
    this.#machine = machine
    this.#options = options
    this.#alarm = new Alarm(options.clock, (now) => {
      this.change(() => this.#handleTimeout(now))
    })
    this.#primary = new Map(options.sockets.primary.map((s) => [s.local.family, s]))
    this.#named = new Map(options.sockets.named)
    for (const socket of options.sockets.primary) this.#listen(socket)
    for (const [id, socket] of this.#named) this.#listen(socket, id)
    this.#drain()
  }

  change<R>(command: (now: Instant) => R): R {
    const result = command(this.#options.clock.now())
    this.#drain()
    return result
  }

  addSocket(id: SocketId, socket: DatagramSocket): void {
    this.#named.set(id, socket)
    this.#listen(socket, id)
    this.#drain()
  }

  async removeSocket(id: SocketId): Promise<void> {
    const socket = this.#named.get(id)
    this.#named.delete(id)
    await socket?.close()
  }

  #handleTimeout(now: Instant): void {
    const lateMs = now - (this.#deadline ?? now)
    if (lateMs >= JUMP_MS) this.#machine.handleTimeJump?.(lateMs)
    this.#machine.handleTimeout(now)
  }

  stop(): void {
    this.#isStopped = true
    this.#alarm.clear()
    for (const socket of [...this.#primary.values(), ...this.#named.values()]) {
      socket.onDatagram(() => undefined)
    }
  }

  #listen(socket: DatagramSocket, via?: SocketId): void {
    socket.onDatagram((from, bytes, segmentBytes) => {
      const now = this.#options.clock.now()
      forEachDatagram(bytes, segmentBytes, (datagram) =>
        this.#machine.handleDatagram(now, from, datagram, via),
      )
      this.#drain()
    })
  }

  // An event's handler may give commands, which drain on their own: the loop here picks up what they left.
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
    if (this.#isStopped) return
    this.#deadline = this.#machine.pollTimeout()
    this.#alarm.set(this.#deadline)
  }

  #drainAll(): void {
    for (;;) {
      this.#sendAll()
      const event = this.#machine.pollEvent()
      if (event === undefined) return
      this.#options.onEvent(event, this.#options.clock.now())
    }
  }

  #sendAll(): void {
    let transmit: Transmit | undefined
    while ((transmit = this.#machine.pollTransmit()) !== undefined) {
      const { to, bytes, segmentBytes, via, ttl } = transmit
      const socket = via === undefined ? this.#primary.get(to.family) : this.#named.get(via)
      if (segmentBytes !== undefined && socket?.sendBatch !== undefined) {
        socket.sendBatch(to, bytes, segmentBytes)
      } else {
        forEachDatagram(bytes, segmentBytes, (datagram) => socket?.send(to, datagram, ttl))
      }
    }
  }
}
