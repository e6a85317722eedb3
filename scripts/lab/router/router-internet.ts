/**
 * A small internet of documentation addresses (RFC 5737), whose routers are of every kind:
 *
 *     host ──┐ lan           wan
 *     host ──┴─ router 1 ───────── provider 1 ──┐
 *     10.1.0.x  198.51.100.1                    exchange (bridge) ──── server
 *     host ──── router 2 ───────── provider 2 ──┘                     203.0.113.10, 203.0.113.11
 *     10.2.0.x  198.51.100.2
 *
 * Between two routers are three hops, so that an opener (a datagram with a TTL of 4 that opens our own NAT) dies before
 * it is at the other one. What lies between has addresses of 198.18.0.0/15 (RFC 2544) that no host ever uses; the public
 * ones are routed through. A router may also be plugged into another one's LAN: a home behind a carrier.
 */
import { type Namespace, Namespaces } from '../namespaces.ts'
import type { LineConditions, RouterCommand, RouterCounts } from './control.ts'
import type { RouterKind } from './kinds.ts'
import { RouterProcess } from './router-process.ts'
import { Segment } from './segment.ts'

export const SERVER_ADDRESSES = ['203.0.113.10', '203.0.113.11'] as const

/** So that each has 16 public addresses for the hosts behind a firewall. */
const MAX_SITES = 16

export interface RouterOptions {
  readonly kind: RouterKind
  /** Plugged into that one's LAN instead of the internet. */
  readonly behind?: LabRouter
  /** How many public addresses; 1 when absent. */
  readonly poolSize?: number
  /** The first three bytes of the LAN's addresses; `10.N.0` when absent, so that no two are the same. */
  readonly lan?: string
  readonly line?: LineConditions
  /** Of its random choices, ports and losses; 1 when absent. */
  readonly seed?: number
}

export interface LabHost {
  readonly namespace: Namespace
  readonly address: string
}

let internets = 0

export class RouterInternet {
  readonly server: Namespace
  readonly #namespaces: Namespaces
  readonly #segment: Segment
  readonly #routers: LabRouter[] = []
  #sites = 0
  #hosts = 0

  private constructor(namespaces: Namespaces, segment: Segment, server: Namespace) {
    this.#namespaces = namespaces
    this.#segment = segment
    this.server = server
  }

  static async create(): Promise<RouterInternet> {
    const namespaces = new Namespaces(`hrouter-${process.pid}-${++internets}`)
    try {
      const exchange = await addForwarder(namespaces, 'exchange')
      const segment = await Segment.create(exchange, 'net', '198.18.0.1/16')
      const servers = await Segment.create(exchange, 'srv', '203.0.113.1/24')
      const server = await namespaces.add('server')
      const [first, second] = SERVER_ADDRESSES
      await servers.plug(server, 'eth0', first)
      await server.run('ip', 'address', 'add', `${second}/24`, 'dev', 'eth0')
      return new RouterInternet(namespaces, segment, server)
    } catch (error) {
      await namespaces.close()
      throw error
    }
  }

  /** A router that forwards already. A firewall's hosts have public addresses of 192.0.2.0/24, 14 at most. */
  async addRouter(options: RouterOptions): Promise<LabRouter> {
    const site = ++this.#sites
    if (site >= MAX_SITES) throw new Error('No public addresses are left for another router')
    const { kind, behind, poolSize = 1, seed = 1 } = options
    const namespace = await addForwarder(this.#namespaces, `router${site}`)
    const uplink = behind?.uplinkFor(site) ?? (await this.#addProvider(site))
    await uplink.segment.plug(namespace, 'wan', uplink.address)
    const plan = lanPlan(site, options)
    const lan = await Segment.create(namespace, 'lan', `${plan.net}.${plan.gateway}/${plan.prefix}`)
    const addresses = Array.from({ length: poolSize }, (_, index) => uplink.publicAddress(index))
    const router = await RouterProcess.start(namespace, {
      ...kind,
      addresses,
      lan: 'lan',
      wan: 'wan',
      seed,
      ...(options.line && { line: options.line }),
    })
    const addHost = (): Promise<Namespace> => this.#namespaces.add(`host${++this.#hosts}`)
    const made = new LabRouter({ namespace, lan, uplink, router, addHost }, { ...plan, addresses })
    this.#routers.push(made)
    await made.announce()
    return made
  }

  /** Ends what was started here and removes the namespaces. End the programs in the hosts first. */
  async close(): Promise<void> {
    await Promise.all(this.#routers.map((router) => router.stop()))
    await this.#namespaces.close()
  }

  async #addProvider(site: number): Promise<Uplink> {
    const provider = await addForwarder(this.#namespaces, `provider${site}`)
    const transit = `198.18.0.${100 + site}`
    await this.#segment.plug(provider, 'core', transit)
    const segment = await Segment.create(provider, 'net', `198.19.${site}.1/24`)
    const address = `198.19.${site}.2`
    return {
      segment,
      address,
      publicAddress: (index) => `198.51.100.${site + MAX_SITES * index}`,
      route: async (destination) => {
        await segment.route(destination, address)
        await this.#segment.route(destination, transit)
      },
      unroute: async (destination) => {
        await this.#segment.unroute(destination)
        await segment.unroute(destination)
      },
    }
  }
}

/** A router's place in the network above it. */
interface Uplink {
  readonly segment: Segment
  /** Of the router's own interface there. */
  readonly address: string
  readonly publicAddress: (index: number) => string
  readonly route: (destination: string) => Promise<void>
  readonly unroute: (destination: string) => Promise<void>
}

interface LanPlan {
  readonly net: string
  readonly gateway: number
  readonly prefix: number
  /** Where its hosts have public addresses of their own. */
  readonly hostNetwork?: string
}

interface RouterParts {
  readonly namespace: Namespace
  readonly lan: Segment
  readonly uplink: Uplink
  readonly router: RouterProcess
  readonly addHost: () => Promise<Namespace>
}

interface RouterPlan extends LanPlan {
  readonly addresses: readonly string[]
}

export class LabRouter {
  readonly namespace: Namespace
  readonly lan: Segment
  readonly #parts: RouterParts
  readonly #plan: RouterPlan
  #addresses: readonly string[]
  #hosts = 0

  constructor(parts: RouterParts, plan: RouterPlan) {
    this.namespace = parts.namespace
    this.lan = parts.lan
    this.#parts = parts
    this.#plan = plan
    this.#addresses = plan.addresses
  }

  /** The place of a router in this one's LAN. */
  uplinkFor(site: number): Uplink {
    const { net } = this.#plan
    const address = `${net}.${100 + site}`
    return {
      segment: this.lan,
      address,
      publicAddress: (index) => `${net}.${150 + site + MAX_SITES * index}`,
      route: (destination) => this.lan.route(destination, address),
      unroute: (destination) => this.lan.unroute(destination),
    }
  }

  get publicAddresses(): readonly string[] {
    return this.#addresses
  }

  /** Of the router's process. */
  get pid(): number | undefined {
    return this.#parts.router.pid
  }

  async addHost(): Promise<LabHost> {
    const namespace = await this.#parts.addHost()
    const address = `${this.#plan.net}.${this.#plan.gateway + ++this.#hosts}`
    await this.lan.plug(namespace, 'eth0', address)
    return { namespace, address }
  }

  /** All mappings are lost; with other public addresses where given, as many homes get every night. */
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

  async impair(line: LineConditions): Promise<void> {
    await this.tell({ kind: 'impair', line })
  }

  async counts(): Promise<RouterCounts> {
    return this.tell({ kind: 'count' })
  }

  async tell(command: RouterCommand): Promise<RouterCounts> {
    return this.#parts.router.tell(command)
  }

  /** The network above learns the way to its public addresses, or to its hosts where they have public ones. */
  async announce(): Promise<void> {
    for (const destination of this.#destinations(this.#addresses)) {
      await this.#parts.uplink.route(destination)
    }
  }

  async stop(): Promise<void> {
    await this.#parts.router.stop()
  }

  #destinations(addresses: readonly string[]): readonly string[] {
    const { hostNetwork } = this.#plan
    return hostNetwork === undefined ? addresses.map((address) => `${address}/32`) : [hostNetwork]
  }
}

function lanPlan(site: number, { kind, lan }: RouterOptions): LanPlan {
  if (kind.firewall === undefined) return { net: lan ?? `10.${site}.0`, gateway: 1, prefix: 24 }
  const first = 16 * site
  return { net: '192.0.2', gateway: first + 1, prefix: 28, hostNetwork: `192.0.2.${first}/28` }
}

/** A namespace that passes packets on as they are: without filters by source, and without advice to its neighbours. */
async function addForwarder(namespaces: Namespaces, label: string): Promise<Namespace> {
  const namespace = await namespaces.add(label)
  await namespace.forward()
  for (const which of ['all', 'default']) {
    for (const setting of ['rp_filter', 'send_redirects', 'accept_redirects']) {
      await namespace.run('sysctl', '-qw', `net.ipv4.conf.${which}.${setting}=0`)
    }
  }
  return namespace
}
