/**
 * Finds out what the NAT of the network does that the host is in, by the tests of `src/natprobe` on sockets of their own,
 * and remembers it for that network. A conversation never waits for it: what is not known yet is told later.
 */
import type { Clock } from '../core/clock.ts'
import type { DatagramSocket } from '../core/datagram-socket.ts'
import { prefixOf, scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after } from '../core/instant.ts'
import type { Logger } from '../core/logger.ts'
import type { SocketId } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import { Alarm } from '../io/alarm.ts'
import { type Driver, drive } from '../io/drive.ts'
import { gatewayHardwareAddress } from '../io/gateway.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import { NatProbe, type NatProbeResult } from '../natprobe/nat-probe.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import type { NatMemory } from './nat-memory.ts'
import { natProfileOf } from './nat-profile-of.ts'

/**
 * What is remembered serves for a while: the first words of a login, its introductions and punches have the line for
 * themselves. Where nothing is remembered the test begins at once: the punches wait for it, and a port that nobody can
 * predict yet is not made harder to predict by it.
 */
const DELAY_MS = 3000

/**
 * A test that lasts longer, because much is lost, is heard before its end: what is known by then, and no better, serves the
 * punches that wait for it.
 */
const PATIENCE_MS = 3000

/** A test that brought nothing, or a profile that has grown old while the network stayed. */
const AGAIN_MS = 60 * 60 * 1000

export interface NatProfilerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly memory: NatMemory
  /** Where the tests' sockets are bound. */
  readonly address: string
  /** What is known of the NAT now. */
  readonly onProfile: (profile: NatProfile | undefined) => void
}

/** Where the host is, as STUN says. */
interface Place {
  readonly publicAddress: string
  readonly servers: readonly Endpoint[]
  readonly ownAddresses: readonly string[]
}

export class NatProfiler {
  readonly #options: NatProfilerOptions
  readonly #alarm: Alarm
  #place: Place | undefined
  #run: Run | undefined
  #isClosed = false

  constructor(options: NatProfilerOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => void this.#measure())
  }

  /** The world sees the primary socket so; with nothing, nobody knows. */
  follow(
    publicEndpoints: readonly Endpoint[],
    servers: readonly Endpoint[],
    ownAddresses: readonly string[],
  ): void {
    const seen = publicEndpoints.find(({ family }) => family === 4)
    const before = this.#place
    const asked = servers.filter(({ family }) => family === 4)
    this.#place =
      seen === undefined || asked.length === 0
        ? undefined
        : { publicAddress: seen.address, servers: asked, ownAddresses }
    if (this.#place?.publicAddress === before?.publicAddress) return
    this.#run?.stop()
    this.#alarm.set(undefined)
    if (this.#place === undefined) this.#options.onProfile(undefined)
    else if (hasNoNat(this.#place)) this.#options.onProfile(NO_NAT)
    else void this.#recall(this.#place)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#alarm.clear()
    this.#run?.stop()
    await this.#run?.closed
  }

  async #recall(place: Place): Promise<void> {
    const { memory, clock, onProfile } = this.#options
    const network = await networkOf(place)
    if (this.#isClosed || this.#place !== place) return
    const known = memory.recall(clock.wallNow(), network, place.publicAddress)
    onProfile(known?.profile)
    if (known === undefined) await this.#measure()
    else this.#wait(known.isFresh ? AGAIN_MS : DELAY_MS)
  }

  async #measure(): Promise<void> {
    const place = this.#place
    if (place === undefined || this.#isClosed) return
    const { memory, clock, logger, onProfile } = this.#options
    const network = await networkOf(place)
    if (memory.recall(clock.wallNow(), network, place.publicAddress)?.isFresh === true) {
      this.#wait(AGAIN_MS)
      return
    }
    const old = memory.recall(clock.wallNow(), network, place.publicAddress)?.profile
    const run = new Run(this.#options, place, (profile, isWhole) => {
      // What was measured another day is better than half of what is being measured now.
      if (this.#run !== run || this.#place !== place) return
      if (isWhole || old === undefined) onProfile(profile)
    })
    this.#run = run
    const result = await run.finished
    await run.closed
    if (this.#run !== run || this.#place !== place || result === undefined) return
    const profile = natProfileOf(result)
    logger.info('The NAT was tested', { profile: profile ?? null })
    this.#wait(AGAIN_MS)
    if (profile === undefined) return
    onProfile(profile)
    await memory.remember(clock.wallNow(), network, place.publicAddress, profile)
  }

  #wait(ms: number): void {
    const { clock } = this.#options
    if (!this.#isClosed) this.#alarm.set(after(clock.now(), ms))
  }
}

/** One run of the tests, on sockets that are closed with it. */
class Run {
  /** `undefined` when it was stopped, or its first socket could not be opened. */
  readonly finished: Promise<NatProbeResult | undefined>
  readonly closed: Promise<void>
  readonly #sockets: DatagramSocket[] = [] // as many as the machine names: fewer than 30
  readonly #machine: NatProbe
  readonly #driver: Driver
  readonly #address: string
  readonly #patience: Alarm
  #opening: Promise<void> = Promise.resolve()
  #end: (result: NatProbeResult | undefined) => void = () => undefined

  /** `onEarly`: before the end, when a way of punching can be chosen, or patience is over and then it `isWhole` not. */
  constructor(
    { clock, random, address }: NatProfilerOptions,
    place: Place,
    onEarly: (profile: NatProfile, isWhole: boolean) => void,
  ) {
    this.#address = address
    this.#machine = new NatProbe({
      servers: place.servers,
      mode: 'profile',
      ownAddresses: place.ownAddresses,
      random,
    })
    const tell = (result: NatProbeResult | undefined, isWhole: boolean): void => {
      const profile = result === undefined ? undefined : natProfileOf(result)
      if (profile !== undefined && (isWhole || isEnough(profile))) onEarly(profile, isWhole)
    }
    this.#patience = new Alarm(clock, () => tell(this.#machine.found, false))
    this.finished = new Promise((resolve) => (this.#end = resolve))
    this.#driver = drive(this.#machine, {
      clock,
      sockets: { primary: [] },
      onEvent: (event) => {
        if (event.kind === 'socket-wanted') this.#opening = this.#openNext(event.id)
        else if (event.kind === 'finished') this.#end(event.result)
        else if (event.kind === 'settled') {
          this.#patience.clear()
          tell(event.result, true)
        }
      },
    })
    this.closed = this.finished.then(() => this.#close())
    this.#patience.set(after(clock.now(), PATIENCE_MS))
    this.#driver.change(() => this.#machine.start())
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
    this.#patience.clear()
    this.#driver.stop()
    await this.#opening
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }
}

/** With a mapping that depends on the destination, and no rule for its ports, peers would guess at all of them. */
function isEnough({ mapping, ports }: NatProfile): boolean {
  const isFixed = mapping === 'none' || mapping === 'endpoint-independent'
  return isFixed || ports.kind !== 'unknown'
}

const NO_NAT: NatProfile = {
  mapping: 'none',
  filtering: 'unknown', // there may be a firewall
  ports: { kind: 'preserve' },
  isPooled: false,
}

/** The socket's own address is its public one; or everything is on one machine. */
function hasNoNat({ publicAddress, ownAddresses }: Place): boolean {
  const scope = scopeOf({ family: 4, address: publicAddress })
  return ownAddresses.includes(publicAddress) || scope === 'loopback'
}

async function networkOf({ publicAddress }: Place): Promise<string> {
  const hardware = await gatewayHardwareAddress()
  return `${hardware ?? 'unknown gateway'} ${prefixOf({ family: 4, address: publicAddress }, 24)}`
}
