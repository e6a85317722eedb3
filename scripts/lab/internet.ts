/**
 * A small internet, of RFC 5737's documentation addresses:
 *
 *     host a ── router a ── provider a ── exchange ── provider b ── router b ── host b
 *     10.1.0.2  198.51.100.2                 │                   192.0.2.2  10.2.0.2
 *                                         server  203.0.113.10 and 203.0.113.11
 *
 * It knows no private network. Between two homes are three hops, because an opener (a datagram that opens our own NAT
 * and shall die before the peer's) leaves with a TTL of 4: with fewer hops it would arrive.
 * The routers are kernel NATs. What they do with a packet that nobody inside asked for is a parameter: it decides
 * whether an early probe spoils the mapping (`docs/protocol/traversal.md`).
 */
import { connect, type Namespace, type Namespaces } from './namespaces.ts'

export const SERVER_ADDRESS = '203.0.113.10'
export const SECOND_SERVER_ADDRESS = '203.0.113.11'

/** The first three numbers of the public and the private network, and of the cable between provider and exchange. */
const NETWORKS = {
  a: { publicNet: '198.51.100', privateNet: '10.1.0', link: '198.18.1' },
  b: { publicNet: '192.0.2', privateNet: '10.2.0', link: '198.18.2' },
} as const

export interface RouterKind {
  /** The kernel's `masquerade` keeps the port where it can; `random` never does (address-and-port-dependent). */
  readonly nat: 'masquerade' | 'masquerade random'
  /** What the router itself does with packets to its public address that belong to no mapping. */
  readonly input: 'drop' | 'accept'
}

export interface Home {
  readonly host: Namespace
  readonly publicAddress: string
}

export class Internet {
  readonly server: Namespace
  readonly #namespaces: Namespaces
  readonly #exchange: Namespace

  private constructor(namespaces: Namespaces, exchange: Namespace, server: Namespace) {
    this.#namespaces = namespaces
    this.#exchange = exchange
    this.server = server
  }

  static async create(namespaces: Namespaces): Promise<Internet> {
    const exchange = await namespaces.add('exchange')
    await exchange.forward()
    const server = await namespaces.add('server')
    await connect(
      { namespace: exchange, name: 'server', addresses: ['203.0.113.1/24'] },
      {
        namespace: server,
        name: 'eth0',
        addresses: [`${SERVER_ADDRESS}/24`, `${SECOND_SERVER_ADDRESS}/24`],
      },
    )
    await server.route('default', '203.0.113.1')
    return new Internet(namespaces, exchange, server)
  }

  /** A host behind a router behind a provider. */
  async addHome(label: 'a' | 'b', kind: RouterKind): Promise<Home> {
    const { publicNet, privateNet, link } = NETWORKS[label]
    const provider = await this.#addProvider(label)
    const router = await this.#namespaces.add(`router-${label}`)
    const host = await this.#namespaces.add(`host-${label}`)
    await connect(
      { namespace: provider, name: 'customer', addresses: [`${publicNet}.1/24`] },
      { namespace: router, name: 'wan', addresses: [`${publicNet}.2/24`] },
    )
    await connect(
      { namespace: router, name: 'lan', addresses: [`${privateNet}.1/24`] },
      { namespace: host, name: 'eth0', addresses: [`${privateNet}.2/24`] },
    )
    await this.#exchange.route(`${publicNet}.0/24`, `${link}.2`)
    await router.forward()
    await router.route('default', `${publicNet}.1`)
    router.nft(natRules(kind))
    await host.route('default', `${privateNet}.1`)
    return { host, publicAddress: `${publicNet}.2` }
  }

  async #addProvider(label: 'a' | 'b'): Promise<Namespace> {
    const { link } = NETWORKS[label]
    const provider = await this.#namespaces.add(`provider-${label}`)
    await provider.forward()
    await connect(
      { namespace: this.#exchange, name: `provider-${label}`, addresses: [`${link}.1/30`] },
      { namespace: provider, name: 'exchange', addresses: [`${link}.2/30`] },
    )
    await provider.route('default', `${link}.1`)
    return provider
  }

  /** From now on no UDP gets from one home to the other; both still reach the server. */
  blockUdpBetween(one: Home, other: Home): void {
    this.#exchange.nft(`
      table ip blocked {
        chain forward {
          type filter hook forward priority 0; policy accept;
          ip saddr ${one.publicAddress} ip daddr ${other.publicAddress} meta l4proto udp drop
          ip saddr ${other.publicAddress} ip daddr ${one.publicAddress} meta l4proto udp drop
        }
      }`)
  }

  unblockUdp(): void {
    this.#exchange.nft('delete table ip blocked')
  }
}

/* The empty prerouting chain is needed: without one, old kernels do not undo the translation of answers. */
function natRules({ nat, input }: RouterKind): string {
  return `
    table ip nat {
      chain prerouting { type nat hook prerouting priority dstnat; }
      chain postrouting { type nat hook postrouting priority srcnat; oifname "wan" ${nat}; }
    }
    table ip filter {
      chain input {
        type filter hook input priority filter; policy ${input};
        ct state established,related accept
        iifname != "wan" accept
      }
    }`
}
