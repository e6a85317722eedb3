/**
 * Notices that this host is somewhere else: other addresses, other default routers, or that it has slept.
 *
 * Where there is `ip` (iproute2), `ip monitor` tells of changes in the moment in which they happen, over netlink; what
 * it says is only a reason to look. Everywhere a timer looks once a second, which costs 0.2 ms, and notices when the wall
 * clock ran on while the monotonic one stood still: the machine was suspended. A process that was merely held up, on a
 * machine that has too much to do, is where it was, and nothing that works is to be thrown away for it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock } from '../core/clock.ts'
import { after, type Instant } from '../core/instant.ts'
import { Alarm } from './alarm.ts'
import { type DefaultGateway, defaultGateways } from './gateway.ts'

export type NetworkChange = 'addresses' | 'routers' | 'slept'

export interface NetworkWatchOptions {
  readonly clock: Clock
  /** The usable addresses as they are now. */
  readonly addresses: () => readonly string[]
  readonly onChange: (change: NetworkChange) => void
  /** For tests, whose routers do not change. */
  readonly gateways?: () => Promise<readonly DefaultGateway[]>
  /** Whether `ip monitor` may be run. */
  readonly usesMonitor?: boolean
  readonly pollMs?: number
}

export interface NetworkWatch {
  /** Something suggests that there is news, for instance that nothing can be sent. */
  look(): void
  stop(): void
}

const POLL_MS = 1_000

/** The wall clock ran on for so much longer than the monotonic one: NATs may have forgotten us, and peers given us up. */
const SLEPT_MS = 3_000

/** A process that was stopped for so long has missed a heartbeat of every idle path: for its peers, it has slept. */
const STOPPED_MS = 20_000

/** A change comes as several lines, link, address and route: they are looked at together. */
const SETTLE_MS = 10

/** `ip monitor` ends only when it is killed, or netlink overflows. */
const MONITOR_AGAIN_MS = 10_000

export function watchNetwork(options: NetworkWatchOptions): NetworkWatch {
  return new Watch(options)
}

class Watch implements NetworkWatch {
  readonly #options: NetworkWatchOptions
  readonly #poll: Alarm
  readonly #settle: Alarm
  readonly #respawn: Alarm
  #monitor: ChildProcess | undefined
  #addresses: string
  #gateways: string | undefined
  #polledAt: { readonly wallMs: number; readonly at: Instant }
  #isLooking = false
  #mustLookAgain = false
  #isStopped = false

  constructor(options: NetworkWatchOptions) {
    const { clock, addresses, usesMonitor = true } = options
    this.#options = options
    this.#addresses = addresses().join()
    this.#polledAt = { wallMs: clock.wallNow(), at: clock.now() }
    this.#poll = new Alarm(clock, () => this.#handlePoll())
    this.#settle = new Alarm(clock, () => void this.#lookAll())
    this.#respawn = new Alarm(clock, () => this.#startMonitor())
    this.#rearm()
    void this.#lookAll() // what the routers are now
    if (usesMonitor) this.#startMonitor()
  }

  look(): void {
    if (!this.#isStopped) this.#settle.set(after(this.#options.clock.now(), SETTLE_MS))
  }

  stop(): void {
    this.#isStopped = true
    for (const alarm of [this.#poll, this.#settle, this.#respawn]) alarm.clear()
    this.#monitor?.kill()
  }

  #rearm(): void {
    const { clock, pollMs = POLL_MS } = this.#options
    this.#poll.set(after(clock.now(), pollMs))
  }

  #handlePoll(): void {
    const { clock, pollMs = POLL_MS, onChange } = this.#options
    const before = this.#polledAt
    const polledAt = { wallMs: clock.wallNow(), at: clock.now() }
    this.#polledAt = polledAt
    const runMs = polledAt.at - before.at
    const stoodStillMs = polledAt.wallMs - before.wallMs - runMs
    const hasSlept = stoodStillMs > SLEPT_MS || runMs > pollMs + STOPPED_MS
    this.#rearm()
    if (hasSlept) onChange('slept')
    void this.#lookAll()
  }

  /** Never rejects. One look at a time; what happens meanwhile is looked at afterwards. */
  async #lookAll(): Promise<void> {
    if (this.#isLooking) {
      this.#mustLookAgain = true
      return
    }
    this.#isLooking = true
    do {
      this.#mustLookAgain = false
      await this.#lookOnce()
    } while (this.#hasMore())
    this.#isLooking = false
  }

  #hasMore(): boolean {
    return this.#mustLookAgain && !this.#isStopped
  }

  async #lookOnce(): Promise<void> {
    const { addresses, gateways = defaultGateways, onChange } = this.#options
    const seen = addresses().join()
    const routers = describe(await gateways().catch(() => []))
    if (this.#isStopped) return
    const isFirst = this.#gateways === undefined
    const areAddressesOther = seen !== this.#addresses
    const areRoutersOther = !isFirst && routers !== this.#gateways
    this.#addresses = seen
    this.#gateways = routers
    if (areAddressesOther) onChange('addresses')
    else if (areRoutersOther) onChange('routers')
  }

  #startMonitor(): void {
    const monitor = spawn('ip', ['-oneline', 'monitor', 'link', 'address', 'route'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#monitor = monitor
    // A process that crashes takes it along; one that is killed leaves it to its next word, which nobody reads (SIGPIPE).
    const kill = (): boolean => monitor.kill()
    process.once('exit', kill)
    monitor.stdout.on('data', () => this.look())
    monitor.unref() // what keeps a daemon alive are its sockets
    let isMissing = false
    monitor.on('error', () => (isMissing = true)) // no iproute2 here: the timer is enough
    monitor.on('close', () => {
      const { clock } = this.#options
      process.off('exit', kill)
      if (!isMissing && !this.#isStopped) this.#respawn.set(after(clock.now(), MONITOR_AGAIN_MS))
    })
  }
}

function describe(gateways: readonly DefaultGateway[]): string {
  return gateways.map(({ address, interfaceName }) => `${address} ${interfaceName}`).join()
}
