import { randomBytes } from 'node:crypto'
import { addressCommand, connect, type Namespace, routeCommand } from '../namespaces.ts'

/**
 * A network with a bridge in the namespace of its gateway: hosts and routers are plugged in, and everything that they
 * send to another network goes through the gateway.
 */
export class Segment {
  /** The bridge's name, in the gateway's namespace. */
  readonly bridge: string
  readonly #gateway: Namespace
  readonly #addresses: readonly GatewayAddress[]
  #plugs = 0

  private constructor(gateway: Namespace, bridge: string, addresses: readonly GatewayAddress[]) {
    this.#gateway = gateway
    this.bridge = bridge
    this.#addresses = addresses
  }

  /** `gatewayAddresses` with the prefix length: `10.1.0.1/24`, `2001:db8::1/64`. */
  static async create(
    gateway: Namespace,
    bridge: string,
    ...gatewayAddresses: readonly string[]
  ): Promise<Segment> {
    await gateway.ip(
      `link add ${bridge} address ${ownHardwareAddress()} type bridge`,
      ...gatewayAddresses.map((address) => addressCommand(address, bridge)),
      `link set ${bridge} up`,
    )
    return new Segment(gateway, bridge, gatewayAddresses.map(gatewayAddress))
  }

  /** Plugs a namespace in, with an interface of this name and addresses of this network, and its default routes. */
  async plug(namespace: Namespace, name: string, ...addresses: readonly string[]): Promise<void> {
    const port = `${this.bridge}-${++this.#plugs}`
    const commands = [`link set ${port} master ${this.bridge}`]
    await connect(
      { namespace: this.#gateway, name: port, addresses: [], commands },
      {
        ...{ namespace, name },
        addresses: addresses.map((address) => this.#withPrefix(address)),
        commands: this.#defaultRoutes(addresses.map(familyOf)),
      },
    )
  }

  /** Who is plugged in so far reaches the gateway, but nobody else here. */
  async isolate(): Promise<void> {
    const ports = Array.from({ length: this.#plugs }, (_, index) => `${this.bridge}-${index + 1}`)
    await this.#gateway.ip(
      ...ports.map((port) => `link set dev ${port} type bridge_slave isolated on`),
    )
  }

  /** Its way to everywhere leads through this network. */
  async makeDefault(namespace: Namespace): Promise<void> {
    await namespace.ip(...this.#defaultRoutes([4]))
  }

  /** Sends what is for each `destination` to the neighbour `via`. */
  async route(via: string, ...destinations: readonly string[]): Promise<void> {
    await this.#gateway.ip(...destinations.map((destination) => routeCommand(destination, via)))
  }

  async unroute(destination: string): Promise<void> {
    await this.#gateway.ip(`route delete ${destination}`)
  }

  #defaultRoutes(families: readonly Family[]): readonly string[] {
    return this.#addresses
      .filter(({ family }) => families.includes(family))
      .map(({ address }) => routeCommand('default', address))
  }

  #withPrefix(address: string): string {
    const own = this.#addresses.find(({ family }) => family === familyOf(address))
    if (own === undefined) throw new Error(`${address} does not belong to ${this.bridge}`)
    return `${address}/${own.prefixLength}`
  }
}

/**
 * A bridge that is given none takes the lowest of its ports, so another one whenever a lower port is plugged in: whoever
 * has asked for the old one talks into the void, until it asks again half a minute later. Locally administered, unicast.
 */
function ownHardwareAddress(): string {
  return ['02', ...(randomBytes(5).toString('hex').match(/../g) ?? [])].join(':')
}

type Family = 4 | 6

interface GatewayAddress {
  readonly family: Family
  readonly address: string
  readonly prefixLength: string
}

function gatewayAddress(text: string): GatewayAddress {
  const [address = '', prefixLength = '24'] = text.split('/')
  return { family: familyOf(address), address, prefixLength }
}

function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4
}
