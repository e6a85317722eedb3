/** A router whose forwarding, translation and filter are the kernel's (nftables), for IPv4 and IPv6. */
import type { Namespace } from '../namespaces.ts'
import type { Gateway, LabHost } from './lab-router.ts'
import type { Segment } from './segment.ts'

export interface KernelRouterKind {
  /** `masquerade` keeps the port where it can; `random` never does. Without it the router knows no IPv4. */
  readonly ipv4?: 'masquerade' | 'masquerade random'
  /** IPv6 without translation: lets in what answers, or nothing at all, as a broken line. */
  readonly ipv6?: 'firewall' | 'broken'
  /** What the router itself does with packets to its public address that belong to no mapping; `drop` when absent. */
  readonly input?: 'drop' | 'accept'
}

interface KernelRouterParts {
  readonly namespace: Namespace
  readonly kind: KernelRouterKind
  readonly lan: Segment
  readonly wan: Segment
  readonly publicAddress: string
  /** Of the LAN, without the last byte. */
  readonly net: string
  /** Of the LAN, up to `::`. */
  readonly ipv6Net: string
  readonly newHost: () => Promise<Namespace>
}

export class KernelRouter implements Gateway {
  readonly namespace: Namespace
  readonly #parts: KernelRouterParts
  #publicAddress: string
  #hosts = 0

  constructor(parts: KernelRouterParts) {
    this.namespace = parts.namespace
    this.#parts = parts
    this.#publicAddress = parts.publicAddress
    parts.namespace.nft(rules(parts.kind))
  }

  get publicAddresses(): readonly string[] {
    return [this.#publicAddress]
  }

  async addHost(): Promise<LabHost> {
    return this.moveIn(await this.#parts.newHost())
  }

  async moveIn(namespace: Namespace): Promise<LabHost> {
    const { lan, net, ipv6Net, kind } = this.#parts
    const number = 1 + ++this.#hosts
    const addresses = [
      ...(kind.ipv4 === undefined ? [] : [`${net}.${number}`]),
      ...(kind.ipv6 === undefined ? [] : [`${ipv6Net}${number}`]),
    ]
    await lan.plug(namespace, 'eth0', ...addresses)
    return { namespace, address: addresses[0] ?? '' }
  }

  async forget(remotes: readonly string[]): Promise<void> {
    for (const remote of remotes) {
      const family = remote.includes(':') ? 'ipv6' : 'ipv4'
      for (const direction of ['--orig-dst', '--orig-src']) {
        const filter = ['-f', family, '-p', 'udp', direction, remote]
        // It fails where there was nothing to delete.
        await this.namespace.run('conntrack', '-D', ...filter).catch(() => undefined)
      }
    }
  }

  async reboot([address = this.#publicAddress]: readonly string[] = []): Promise<void> {
    const { namespace } = this.#parts
    const isNew = address !== this.#publicAddress
    await namespace.ip(
      'link set wan down', // `masquerade` forgets what left by it
      ...(isNew ? [`address delete ${this.#publicAddress}/24 dev wan`] : []),
      ...(isNew ? [`address add ${address}/24 dev wan`] : []),
      'link set wan up',
    )
    this.#publicAddress = address
    await this.#parts.wan.makeDefault(namespace)
  }
}

/* The empty prerouting chain is needed: without one, old kernels do not undo the translation of answers. */
function rules({ ipv4, ipv6, input = 'drop' }: KernelRouterKind): string {
  const forwardIpv6 = ipv6 === 'broken' ? 'drop' : 'jump stateful'
  return `
    table ip nat {
      chain prerouting { type nat hook prerouting priority dstnat; }
      chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" ${ipv4 ?? 'masquerade'}; }
    }
    table inet filter {
      chain stateful {
        ct state established,related accept
        iifname != "wan" accept
        drop
      }
      chain input {
        type filter hook input priority filter; policy ${input};
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname != "wan" accept
      }
      chain forward {
        type filter hook forward priority filter; policy accept;
        meta nfproto ipv6 ${forwardIpv6}
      }
    }`
}
