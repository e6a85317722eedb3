/** A router of the laboratory that runs in user space, from the laboratory's side: its hosts, its addresses, its moods. */
import type { Namespace } from '../namespaces.ts'
import type { LineConditions, RouterCommand, RouterCounts } from './control.ts'
import type { Segment } from './segment.ts'
import type { Uplink } from './uplink.ts'

export interface LabHost {
  readonly namespace: Namespace
  readonly address: string
}

/** What every router can do, whoever forwards. */
export interface Gateway {
  readonly publicAddresses: readonly string[]
  addHost(): Promise<LabHost>
  /** Plugs a host in that stood elsewhere: it has another address now. */
  moveIn(namespace: Namespace): Promise<LabHost>
  /** Forgets what went to or came from these hosts, as after a long silence. */
  forget(remotes: readonly string[]): Promise<void>
  /** All mappings are lost; with other public addresses where given, as many homes get every night. */
  reboot(addresses?: readonly string[]): Promise<void>
}

export interface LanPlan {
  /** The first three bytes of its addresses. */
  readonly net: string
  /** Where its hosts have public addresses of their own. */
  readonly hostNetwork?: string
}

interface RouterParts {
  readonly namespace: Namespace
  readonly lan: Segment
  readonly uplink: Uplink
  readonly tell: (command: RouterCommand) => Promise<RouterCounts>
  readonly newHost: () => Promise<Namespace>
}

interface RouterPlan extends LanPlan {
  readonly addresses: readonly string[]
}

/** From here on in a LAN stand the routers that are plugged in, so many addresses apart. */
const FIRST_ROUTER = 100
const FIRST_ROUTER_PUBLIC = 150
const POOL = 16

export class LabRouter implements Gateway {
  readonly namespace: Namespace
  readonly lan: Segment
  readonly #parts: RouterParts
  readonly #plan: RouterPlan
  #addresses: readonly string[]
  #hosts = 0
  #routers = 0

  constructor(parts: RouterParts, plan: RouterPlan) {
    this.namespace = parts.namespace
    this.lan = parts.lan
    this.#parts = parts
    this.#plan = plan
    this.#addresses = plan.addresses
  }

  /** A place for another router in this one's LAN. */
  uplink(): Uplink {
    const { net } = this.#plan
    const index = this.#routers++
    const address = `${net}.${FIRST_ROUTER + index}`
    return {
      segment: this.lan,
      address,
      publicAddress: (offset) => `${net}.${FIRST_ROUTER_PUBLIC + POOL * index + offset}`,
      route: (...destinations) => this.lan.route(address, ...destinations),
      unroute: (destination) => this.lan.unroute(destination),
    }
  }

  get publicAddresses(): readonly string[] {
    return this.#addresses
  }

  async addHost(): Promise<LabHost> {
    return this.moveIn(await this.#parts.newHost())
  }

  async moveIn(namespace: Namespace): Promise<LabHost> {
    const address = `${this.#plan.net}.${1 + ++this.#hosts}`
    await this.lan.plug(namespace, 'eth0', address)
    return { namespace, address }
  }

  async forget(remotes: readonly string[]): Promise<void> {
    await this.tell({ kind: 'forget', remotes })
  }

  async reboot(addresses: readonly string[] = this.#addresses): Promise<void> {
    const kept = new Set(this.#destinations(addresses))
    for (const destination of this.#destinations(this.#addresses)) {
      if (!kept.has(destination)) await this.#parts.uplink.unroute(destination)
    }
    this.#addresses = addresses
    await this.tell({ kind: 'reboot', addresses })
    await this.announce()
  }

  async blockUdp(isBlocked = true): Promise<void> {
    await this.tell({ kind: 'block-udp', isBlocked })
  }

  /** An office that lets the web out and nothing else. */
  async allowOnlyTcp(port: number): Promise<void> {
    await this.tell({ kind: 'block-udp', isBlocked: true })
    await this.tell({ kind: 'only-tcp', port })
  }

  /** From now on its hosts reach the router, but not each other: guests of a Wi-Fi. */
  async isolateHosts(): Promise<void> {
    await this.lan.isolate()
  }

  async impair(line: LineConditions): Promise<void> {
    await this.tell({ kind: 'impair', line })
  }

  async counts(): Promise<RouterCounts> {
    return this.tell({ kind: 'count' })
  }

  async tell(command: RouterCommand): Promise<RouterCounts> {
    return this.#parts.tell(command)
  }

  /** The network above learns the way to its public addresses, or to its hosts where they have public ones. */
  async announce(): Promise<void> {
    await this.#parts.uplink.route(...this.#destinations(this.#addresses))
  }

  #destinations(addresses: readonly string[]): readonly string[] {
    const { hostNetwork } = this.#plan
    return hostNetwork === undefined ? addresses.map((address) => `${address}/32`) : [hostNetwork]
  }
}
