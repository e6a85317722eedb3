/**
 * A small internet, whose routers are of every kind:
 *
 *     host ──┐ lan           wan
 *     host ──┴─ router 1 ───────── provider 1 ──┐
 *     10.1.0.x  11.1.0.1                        exchange (bridge) ──── server
 *     host ──── router 2 ───────── provider 2 ──┘                     203.0.113.10, 203.0.113.11
 *     10.2.0.x  11.2.0.1
 *
 * Between two routers are three hops, so that an opener (a datagram with a TTL of 4 that opens our own NAT) dies before
 * it is at the other one. Every site has a /24 of its own, since daemons treat addresses of one /24 as neighbours; none
 * are those of the documentation (RFC 5737), on which miniupnpd maps nothing; nothing leaves the namespaces. What lies
 * between has addresses of 198.18.0.0/15 (RFC 2544) that no host uses. A router may also be plugged into another one's
 * LAN: a home behind a carrier. IPv6 (2001:db8:N::/48 for site N) goes through routers of the kernel alone.
 */
import { addressCommand, type Namespace, Namespaces } from '../namespaces.ts'
import type { LineConditions } from './control.ts'
import { KernelRouter, type KernelRouterKind } from './kernel-router.ts'
import type { RouterKind } from './kinds.ts'
import { LabRouter, type LanPlan } from './lab-router.ts'
import { RouterProcess } from './router-process.ts'
import { Segment } from './segment.ts'
import type { Uplink } from './uplink.ts'

export const SERVER_ADDRESSES = ['203.0.113.10', '203.0.113.11'] as const
export const SERVER_IPV6_ADDRESS = '2001:db8:5e::10'

/** As many as have a transit address. */
const MAX_SITES = 120

interface Place {
  /** Plugged into that one's LAN instead of the internet. */
  readonly behind?: LabRouter
  /** The first three bytes of the LAN's addresses; `10.N.0` when absent, so that no two are the same. */
  readonly lan?: string
}

export interface RouterOptions extends Place {
  readonly kind: RouterKind
  /** How many public addresses; 1 when absent. */
  readonly poolSize?: number
  readonly line?: LineConditions
  /** Of its random choices, ports and losses; 1 when absent. */
  readonly seed?: number
}

let internets = 0

export class RouterInternet {
  readonly server: Namespace
  readonly #namespaces: Namespaces
  readonly #segment: Segment
  readonly #process: RouterProcess
  #sites = 0
  #hosts = 0

  private constructor(
    namespaces: Namespaces,
    segment: Segment,
    server: Namespace,
    process: RouterProcess,
  ) {
    this.#namespaces = namespaces
    this.#segment = segment
    this.server = server
    this.#process = process
  }

  static async create(): Promise<RouterInternet> {
    const namespaces = new Namespaces(`hrouter-${process.pid}-${++internets}`)
    try {
      const exchange = await addForwarder(namespaces, 'exchange')
      const segment = await Segment.create(exchange, 'net', '198.18.0.1/16', '2001:db8:fe::1/64')
      const servers = await Segment.create(exchange, 'srv', '203.0.113.1/24', '2001:db8:5e::1/64')
      const server = await namespaces.add('server')
      const [first, second] = SERVER_ADDRESSES
      await servers.plug(server, 'eth0', first, SERVER_IPV6_ADDRESS)
      await server.ip(addressCommand(`${second}/24`, 'eth0'))
      const routers = await RouterProcess.start(await namespaces.add('routers'))
      return new RouterInternet(namespaces, segment, server, routers)
    } catch (error) {
      await namespaces.close()
      throw error
    }
  }

  /** Of the process that all user-space routers share. */
  get pid(): number | undefined {
    return this.#process.pid
  }

  /** A router that forwards already. A firewall's hosts have public addresses. */
  async addRouter(options: RouterOptions): Promise<LabRouter> {
    const site = this.#nextSite()
    const { kind, behind, poolSize = 1, seed = 1, line } = options
    const name = `router${site}`
    const namespace = await addForwarder(this.#namespaces, name)
    const uplink = behind?.uplink() ?? (await this.#addProvider(site))
    await uplink.segment.plug(namespace, 'wan', uplink.address)
    const plan = lanPlan(site, options)
    const lan = await Segment.create(namespace, 'lan', `${plan.net}.1/24`)
    const addresses = Array.from({ length: poolSize }, (_, index) => uplink.publicAddress(index))
    const setup = {
      ...kind,
      ...{ namespace: namespace.name, lan: 'lan', wan: 'wan', addresses, seed },
      ...(line && { line }),
    }
    await this.#process.tell(name, { kind: 'start', setup })
    const router = new LabRouter(
      {
        ...{ namespace, lan, uplink },
        tell: (command) => this.#process.tell(name, command),
        newHost: () => this.#newHost(),
      },
      { ...plan, addresses },
    )
    await router.announce()
    return router
  }

  /** A router of the kernel. With IPv6 it is plugged into the internet itself. */
  async addKernelRouter(
    kind: KernelRouterKind,
    { behind, lan }: Place = {},
  ): Promise<KernelRouter> {
    const site = this.#nextSite()
    const namespace = await addForwarder(this.#namespaces, `router${site}`)
    const uplink = behind?.uplink() ?? (await this.#addProvider(site))
    const net = lan ?? `10.${site}.0`
    const ipv6Net = `2001:db8:${site}:1::`
    const publicAddress = uplink.publicAddress(0)
    const ipv6Addresses = kind.ipv6 === undefined ? [] : [`2001:db8:${site}::1`]
    await uplink.segment.plug(namespace, 'wan', publicAddress, ...ipv6Addresses)
    for (const address of ipv6Addresses) await uplink.segment.route(address, `${ipv6Net}/64`)
    const lanSegment = await Segment.create(namespace, 'lan', `${net}.1/24`, `${ipv6Net}1/64`)
    return new KernelRouter({
      ...{ namespace, kind, publicAddress, net, ipv6Net },
      lan: lanSegment,
      wan: uplink.segment,
      newHost: () => this.#newHost(),
    })
  }

  /** Ends what was started here and removes the namespaces. End the programs in the hosts first. */
  async close(): Promise<void> {
    await this.#process.stop()
    await this.#namespaces.close()
  }

  #newHost(): Promise<Namespace> {
    return this.#namespaces.add(`host${++this.#hosts}`)
  }

  #nextSite(): number {
    const site = ++this.#sites
    if (site > MAX_SITES) throw new Error('No public addresses are left for another router')
    return site
  }

  async #addProvider(site: number): Promise<Uplink> {
    const provider = await addForwarder(this.#namespaces, `provider${site}`)
    const transit = `198.18.0.${100 + site}`
    const ipv6Transit = `2001:db8:fe::${100 + site}`
    await this.#segment.plug(provider, 'core', transit, ipv6Transit)
    const ipv6Gateway = `2001:db8:${site}::fe/64`
    const segment = await Segment.create(provider, 'net', `11.${site}.0.254/24`, ipv6Gateway)
    await this.#segment.route(transit, `11.${site}.0.0/16`)
    await this.#segment.route(ipv6Transit, `2001:db8:${site}::/48`)
    const address = `11.${site}.0.253`
    return {
      segment,
      address,
      publicAddress: (index) => `11.${site}.0.${1 + index}`,
      route: (...destinations) => segment.route(address, ...destinations),
      unroute: (destination) => segment.unroute(destination),
    }
  }
}

function lanPlan(site: number, { kind, lan }: RouterOptions): LanPlan {
  if (kind.firewall === undefined) return { net: lan ?? `10.${site}.0` }
  return { net: `11.${site}.1`, hostNetwork: `11.${site}.1.0/24` }
}

/** A namespace that passes packets on as they are: without filters by source, and without advice to its neighbours. */
async function addForwarder(namespaces: Namespaces, label: string): Promise<Namespace> {
  const namespace = await namespaces.add(label)
  const settings = ['all', 'default'].flatMap((which) =>
    ['rp_filter', 'send_redirects', 'accept_redirects'].map(
      (setting) => `net.ipv4.conf.${which}.${setting}=0`,
    ),
  )
  const forwarding = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']
  await namespace.run('sysctl', '-qw', ...settings, ...forwarding)
  return namespace
}
