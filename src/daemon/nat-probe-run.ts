/** One run of the tests of `src/natprobe`, on sockets of its own that are closed with it. */
import type { Clock } from '../core/clock.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { SocketId } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import { type Driver, drive } from '../io/drive.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import { NatProbe, type NatProbeOptions, type NatProbeResult } from '../natprobe/nat-probe.ts'

export interface NatProbeRunOptions {
  readonly clock: Clock
  readonly random: Random
  /** Where the sockets are bound. */
  readonly address: string
  readonly servers: readonly Endpoint[]
  readonly ownAddresses: readonly string[]
  readonly tests: Pick<NatProbeOptions, 'mode' | 'lifetime'>
  /** Nothing runs any more but what takes its time. */
  readonly onSettled?: (found: NatProbeResult) => void
}

export class NatProbeRun {
  /** `undefined` when it was stopped, or its first socket could not be opened. */
  readonly finished: Promise<NatProbeResult | undefined>
  readonly closed: Promise<void>
  readonly #sockets: DatagramSocket[] = [] // as many as the machine names: fewer than 30
  readonly #machine: NatProbe
  readonly #driver: Driver
  readonly #address: string
  #opening: Promise<void> = Promise.resolve()
  #end: (result: NatProbeResult | undefined) => void = () => undefined

  constructor(options: NatProbeRunOptions) {
    const { clock, random, address, servers, ownAddresses, tests, onSettled } = options
    this.#address = address
    this.#machine = new NatProbe({ servers, ...tests, ownAddresses, random })
    this.finished = new Promise((resolve) => (this.#end = resolve))
    this.#driver = drive(this.#machine, {
      clock,
      sockets: { primary: [] },
      onEvent: (event) => {
        if (event.kind === 'socket-wanted') this.#opening = this.#openNext(event.id)
        else if (event.kind === 'finished') this.#end(event.result)
        else if (event.kind === 'settled') onSettled?.(event.result)
      },
    })
    this.closed = this.finished.then(() => this.#close())
    this.#driver.change(() => this.#machine.start())
  }

  /** What has been found by now. */
  get found(): NatProbeResult | undefined {
    return this.#machine.found
  }

  stop(): void {
    this.#end(undefined)
  }

  // One after the other: their order is the order in which the NAT sees them.
  async #openNext(id: SocketId): Promise<void> {
    await this.#opening
    try {
      const socket = await openUdpSocket({ address: this.#address, port: 0 })
      this.#sockets.push(socket)
      this.#driver.addSocket(id, socket)
      this.#driver.change((now) => this.#machine.socketOpened(now, id, socket.local))
    } catch {
      this.#driver.change((now) => this.#machine.socketRefused(now, id))
    }
  }

  async #close(): Promise<void> {
    this.#driver.stop()
    await this.#opening
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }
}
