/** A path agent in a calm world, opposite a peer that does exactly what the test says. */
import type { Endpoint } from '../../src/core/endpoint.ts'
import type { SocketId } from '../../src/core/machine.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import type { Running, World } from '../sim/world.ts'
import type { SimSocket } from '../sim/host.ts'
import {
  PathAgent,
  type PathAgentEvent,
  type PathAgentOptions,
} from '../../src/traversal/path-agent.ts'
import {
  decodeProbe,
  encodeProbe,
  newTransaction,
  type Probe,
  probeKey,
} from '../../src/traversal/probe.ts'

export const KEY = probeKey(new Uint8Array(32).fill(7))

export interface HeardProbe {
  readonly at: number
  readonly from: Endpoint
  readonly to: Endpoint
  readonly ttl: number
  readonly probe: Probe
  readonly bytes: Uint8Array
}

/** The agent's host is `192.168.1.5`, or public; everything it sends is in `sent`, whether or not it arrives. */
export class Stage {
  readonly world: World
  readonly agent: PathAgent
  readonly running: Running
  readonly events: { readonly at: number; readonly event: PathAgentEvent }[] = []
  readonly sent: HeardProbe[] = []

  constructor(
    world: World,
    options: Partial<PathAgentOptions> & { readonly address?: string } = {},
  ) {
    const { address = '198.51.100.10', ...agentOptions } = options
    this.world = world
    this.agent = new PathAgent({
      role: 'initiator',
      key: KEY.secret,
      policy: 'auto',
      local: [{ kind: 'host', endpoint: { family: 4, address, port: 5000 } }],
      random: new SeededRandom(1),
      ...agentOptions,
    })
    const host = world.host('agent', { addresses: [address] })
    world.tap((stage, packet) => {
      if (stage !== 'sent' || packet.origin !== 'agent') return
      const probe = decodeProbe(KEY, 'initiator', packet.bytes)
      if (probe.ok) this.sent.push({ at: world.now, ...packet, probe: probe.value })
    })
    this.running = world.attach(host, this.agent, {
      port: 5000,
      onEvent: (event) => {
        this.events.push({ at: world.now, event })
        if (event.kind === 'socket-wanted') this.#open(event.socket)
      },
    })
  }

  #open(socket: SocketId): void {
    const { port } = this.running.addSocket(socket, {})
    this.running.change((now) => this.agent.socketOpened(now, socket, at('0.0.0.0', port)))
  }

  get agentEndpoint(): Endpoint {
    return { family: 4, address: '198.51.100.10', port: 5000 }
  }

  change(command: (now: Parameters<PathAgent['start']>[0], agent: PathAgent) => void): void {
    this.running.change((now) => command(now, this.agent))
  }

  /** When the agent sent what to whom. */
  sentTo(to: Endpoint, kind: Probe['kind'] = 'request'): HeardProbe[] {
    return this.sent.filter((heard) => {
      return (
        heard.probe.kind === kind && heard.to.address === to.address && heard.to.port === to.port
      )
    })
  }
}

/** The peer: hears everything, says what it is told to. */
export class Puppet {
  readonly endpoint: Endpoint
  readonly heard: Probe[] = []
  isAnswering = false
  /** How long it thinks before it answers. */
  answerDelayMs = 0
  readonly #socket: SimSocket
  readonly #random = new SeededRandom(2)
  #sequence: number

  /** Two that speak for one peer want sequences far apart. */
  constructor(world: World, name: string, endpoint: Endpoint, firstSequence = 0) {
    this.endpoint = endpoint
    this.#sequence = firstSequence
    const host = world.host(name, { addresses: [endpoint.address] })
    this.#socket = world.open(host, { port: endpoint.port }, (from, bytes) => {
      const probe = decodeProbe(KEY, 'initiator', bytes)
      if (!probe.ok) return
      this.heard.push(probe.value)
      if (!this.isAnswering || probe.value.kind !== 'request') return
      world.after(this.answerDelayMs, () => this.answer(from, probe.value))
    })
  }

  /** An authentic question; returns its bytes, for a replay. */
  ask(to: Endpoint): Uint8Array {
    const bytes = this.probe('request', newTransaction(this.#random), to)
    this.#socket.send(to, bytes)
    return bytes
  }

  answer(to: Endpoint, { transaction }: Pick<Probe, 'transaction'>): void {
    this.#socket.send(to, this.probe('response', transaction, to))
  }

  send(to: Endpoint, bytes: Uint8Array): void {
    this.#socket.send(to, bytes)
  }

  probe(kind: Probe['kind'], transaction: Probe['transaction'], seen: Endpoint): Uint8Array {
    const sequence = this.#sequence++
    return encodeProbe(KEY, { kind, from: 'responder', sequence, transaction, sentAtMs: 0, seen })
  }
}

export function at(address: string, port = 6000): Endpoint {
  return { family: address.includes(':') ? 6 : 4, address, port }
}
