import { connect, type Namespace } from '../namespaces.ts'

/**
 * A network with a bridge in the namespace of its gateway: hosts and routers are plugged in, and everything that they
 * send to another network goes through the gateway.
 */
export class Segment {
  /** The bridge's name, in the gateway's namespace. */
  readonly bridge: string
  readonly #gateway: Namespace
  readonly #gatewayAddress: string
  readonly #prefixLength: number
  #plugs = 0

  private constructor(gateway: Namespace, bridge: string, address: string, prefixLength: number) {
    this.#gateway = gateway
    this.bridge = bridge
    this.#gatewayAddress = address
    this.#prefixLength = prefixLength
  }

  /** `gatewayAddress` with the prefix length: `10.1.0.1/24`. */
  static async create(
    gateway: Namespace,
    bridge: string,
    gatewayAddress: string,
  ): Promise<Segment> {
    const [address = '', prefixLength = '24'] = gatewayAddress.split('/')
    await gateway.run('ip', 'link', 'add', bridge, 'type', 'bridge')
    await gateway.run('ip', 'address', 'add', gatewayAddress, 'dev', bridge)
    await gateway.run('ip', 'link', 'set', bridge, 'up')
    return new Segment(gateway, bridge, address, Number(prefixLength))
  }

  /** Plugs a namespace in, with an interface of this name and an address of this network, and its default route. */
  async plug(namespace: Namespace, name: string, address: string): Promise<void> {
    const port = `${this.bridge}-${++this.#plugs}`
    await connect(
      { namespace: this.#gateway, name: port, addresses: [] },
      { namespace, name, addresses: [`${address}/${this.#prefixLength}`] },
    )
    await this.#gateway.run('ip', 'link', 'set', port, 'master', this.bridge)
    await namespace.route('default', this.#gatewayAddress)
  }

  /** Sends what is for `destination` to the neighbour `via`. */
  async route(destination: string, via: string): Promise<void> {
    await this.#gateway.run('ip', 'route', 'replace', destination, 'via', via)
  }

  async unroute(destination: string): Promise<void> {
    await this.#gateway.run('ip', 'route', 'delete', destination)
  }
}
