/**
 * Asks the gateway for a port by each protocol that it may speak, proves from outside that the port leads here, and gives
 * it back. Each protocol has sockets of its own: what is mapped belongs to nobody, and has spoken to nobody.
 */
import { type Endpoint, endpoint, formatEndpoint } from '../../core/endpoint.ts'
import type { DatagramSocket } from '../../core/datagram-socket.ts'
import { drive, type Driver } from '../../io/drive.ts'
import { defaultGateways } from '../../io/gateway.ts'
import { fetchHttp } from '../../io/http-fetch.ts'
import { systemRandom } from '../../io/random.ts'
import { systemClock } from '../../io/system-clock.ts'
import { openUdpSocket } from '../../io/udp-socket.ts'
import {
  MAPPING_CHECK_SOCKET,
  MappingCheck,
  type MappingCheckEvent,
} from '../../traversal/mapping-check.ts'
import type { Mechanism } from '../../traversal/port-mapping/mapping-client.ts'
import { PORT_MAPPING_PORT } from '../../traversal/port-mapping/pcp.ts'
import { PORT_MAPPING_SOCKET, PortMapper } from '../../traversal/port-mapping/port-mapper.ts'
import type { PortMapperEvent } from '../../traversal/port-mapping/port-mapper-event.ts'
import type { PortMappingFinding, PortMappingReport } from '../outside.ts'

/**
 * A gateway on the LAN needs milliseconds. But UPnP asks for three things by HTTP, each with a connection of its own, and
 * the first packet of each may be lost and is sent again after a second.
 */
const GRANT_MS = 5_000
/** One more such connection. */
const RELEASE_MS = 2_500

interface Gateway {
  readonly endpoint: Endpoint
  readonly localAddress: string
  /** Where the system prefers another one. */
  readonly interfaceIndex: number | undefined
}

type MappedEvent = Extract<PortMapperEvent, { kind: 'mapped' }>

/** A report without `doubleNat`, which takes the public address to tell, and what the gateway calls its own. */
export interface TestedGateway {
  readonly report: Omit<PortMappingReport, 'doubleNat'>
  readonly external: Endpoint | undefined
}

/** `undefined` where that address faces no IPv4 gateway. `server`: who is to prove it. */
export async function testPortMapping(
  server: Endpoint,
  localAddress: string,
  interfaceIndex?: number,
): Promise<TestedGateway | undefined> {
  const gateway = await gatewayOf(localAddress, interfaceIndex)
  if (gateway === undefined) return undefined
  const [pcp, natPmp, upnp] = await Promise.all([
    testMechanism('pcp', gateway, server),
    testMechanism('nat-pmp', gateway, server),
    testMechanism('upnp', gateway, server),
  ])
  return {
    report: {
      gateway: gateway.endpoint.address,
      pcp: pcp.finding,
      natPmp: natPmp.finding,
      upnp: upnp.finding,
    },
    external: pcp.external ?? natPmp.external ?? upnp.external,
  }
}

async function gatewayOf(
  wanted: string,
  interfaceIndex: number | undefined,
): Promise<Gateway | undefined> {
  for (const { family, address, localAddress } of await defaultGateways()) {
    const made = endpoint(address, PORT_MAPPING_PORT)
    if (family !== 4 || localAddress === undefined || !made.ok) continue
    if (wanted === localAddress) return { endpoint: made.value, localAddress, interfaceIndex }
  }
  return undefined
}

interface Tested {
  readonly finding: PortMappingFinding
  readonly external?: Endpoint
}

async function testMechanism(
  mechanism: Mechanism,
  gateway: Gateway,
  server: Endpoint,
): Promise<Tested> {
  const target = await openUdpSocket({ address: gateway.localAddress, port: 0 })
  const mapping = await Mapping.open(mechanism, gateway)
  try {
    const event = await mapping.ask(gateway, target.local.port)
    if (event.kind !== 'mapped') {
      return { finding: { value: 'unavailable', confidence: 0.9, why: event.why } }
    }
    const reached = await prove(target, event.external, server, gateway)
    await mapping.release()
    return { finding: findingOf(event, reached), external: event.external }
  } finally {
    await Promise.all([mapping.close(), target.close()])
  }
}

function findingOf(
  { external, lifetimeMs, isPermanent }: MappedEvent,
  reached: MappingCheckEvent,
): PortMappingFinding {
  const granted = { external: formatEndpoint(external), lifetimeMs, isPermanent }
  if (reached.kind === 'unproven') return { value: 'not-forwarded', confidence: 0.9, ...granted }
  const reachedAt = formatEndpoint(reached.endpoint)
  return { value: 'works', confidence: 0.99, ...granted, reachedAt }
}

/** Has the server send to the mapped port; five tries, 3 s. */
async function prove(
  target: DatagramSocket,
  external: Endpoint,
  server: Endpoint,
  gateway: Gateway,
): Promise<MappingCheckEvent> {
  const asking = await openUdpSocket({ address: target.local.address, ...throughIt(gateway) })
  const machine = new MappingCheck({ random: systemRandom })
  const found = await new Promise<MappingCheckEvent>((resolve) => {
    const driver = drive(machine, {
      clock: systemClock,
      sockets: { primary: [target], named: new Map([[MAPPING_CHECK_SOCKET, asking]]) },
      onEvent: (event) => {
        driver.stop()
        resolve(event)
      },
    })
    driver.change((now) => machine.start(now, external, [server]))
  })
  await asking.close()
  return found
}

function throughIt({ interfaceIndex }: Gateway): {
  readonly port: 0
  readonly interfaceIndex?: number
} {
  return { port: 0, ...(interfaceIndex !== undefined && { interfaceIndex }) }
}

type Granted = MappedEvent | { readonly kind: 'unavailable'; readonly why: string }

/** A `PortMapper` of one protocol, asked once. */
class Mapping {
  readonly #socket: DatagramSocket
  readonly #mapper: PortMapper
  readonly #driver: Driver
  /** It has named a description: then whatever goes wrong is not silence. */
  #isTalking = false
  #onGranted: (granted: Granted) => void = () => undefined
  #onReleased: () => void = () => undefined

  static async open(mechanism: Mechanism, gateway: Gateway): Promise<Mapping> {
    const socket = await openUdpSocket({ address: '0.0.0.0', ...throughIt(gateway) })
    return new Mapping(mechanism, socket)
  }

  private constructor(mechanism: Mechanism, socket: DatagramSocket) {
    this.#socket = socket
    this.#mapper = new PortMapper({ random: systemRandom, mechanisms: [mechanism] })
    this.#driver = drive(this.#mapper, {
      clock: systemClock,
      sockets: { primary: [], named: new Map([[PORT_MAPPING_SOCKET, socket]]) },
      onEvent: (event) => this.#handle(event),
    })
  }

  async ask(gateway: Gateway, localPort: number): Promise<Granted> {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve({ kind: 'unavailable', why: this.#isTalking ? 'too-slow' : 'silent' })
      }, GRANT_MS)
      this.#onGranted = (granted) => {
        clearTimeout(timer)
        resolve(granted)
      }
      const { endpoint: asked, localAddress } = gateway
      this.#driver.change((now) =>
        this.#mapper.map(now, { gateway: asked, localAddress, localPort, protocol: 'udp' }),
      )
    })
  }

  async release(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RELEASE_MS)
      this.#onReleased = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#driver.change((now) => this.#mapper.release(now))
    })
  }

  async close(): Promise<void> {
    this.#driver.stop()
    await this.#socket.close()
  }

  #handle(event: PortMapperEvent): void {
    switch (event.kind) {
      case 'http-wanted':
        this.#isTalking = true
        void this.#fetch(event) // never rejects
        return
      case 'mapped':
        this.#onGranted(event)
        return
      case 'unavailable':
        this.#onGranted({ kind: 'unavailable', why: event.why })
        return
      case 'released':
        this.#onReleased()
        return
      case 'available':
      case 'unmapped':
        return
    }
  }

  async #fetch({ id, request }: Extract<PortMapperEvent, { kind: 'http-wanted' }>): Promise<void> {
    const outcome = await fetchHttp(request)
    this.#driver.change((now) => this.#mapper.httpAnswered(now, id, outcome))
  }
}
