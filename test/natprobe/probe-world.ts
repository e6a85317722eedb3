/** natprobe's machines and a STUN server in a simulated world. */
import type { Endpoint } from '../../src/core/endpoint.ts'
import { endpoint } from '../../src/core/endpoint.ts'
import { NatProbe, type NatProbeEvent, type NatProbeResult } from '../../src/natprobe/nat-probe.ts'
import type { LifetimeMode } from '../../src/natprobe/lifetime-probe.ts'
import type { Mode } from '../../src/natprobe/timing.ts'
import { BindingServer, type BindingServerOptions } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import type { Host } from '../sim/host.ts'
import type { LinkPair } from '../sim/network.ts'
import type { World } from '../sim/world.ts'

export interface StunServerOptions extends Pick<
  BindingServerOptions,
  'rate' | 'courtesy' | 'mayDelay'
> {
  readonly name?: string
  /** One or two. */
  readonly addresses?: readonly string[]
  /** One or two. */
  readonly ports?: readonly number[]
  readonly link?: LinkPair
  /** Told to clients, but there is nothing there. */
  readonly deadAddress?: string
}

/** Runs our own STUN server on a host of its own; returns its main endpoint. */
export function stunServer(world: World, options: StunServerOptions = {}): Endpoint {
  const { addresses = ['203.0.113.1', '203.0.113.2'], ports = [3478, 3479] } = options
  const { name = addresses[0] ?? 'server', link } = options
  const host = world.host(name, { addresses, ...(link === undefined ? {} : { link }) })
  const sockets = addresses.flatMap((address, a) =>
    ports.map((port, p) => ({
      id: bindingSocketId(a === 0 ? 1 : 2, p === 0 ? 1 : 2),
      endpoint: literal(address, port),
    })),
  )
  const server = new BindingServer({ ...options, sockets })
  const named = sockets
    .filter(({ endpoint: { address } }) => address !== options.deadAddress)
    .map(({ id, endpoint: { address, port } }) => [id, { address, port }] as const)
  world.attach(host, server, { sockets: Object.fromEntries(named) })
  return literal(addresses[0] ?? '', ports[0] ?? 0)
}

export function literal(address: string, port: number): Endpoint {
  const result = endpoint(address, port)
  if (!result.ok) throw new Error(result.why)
  return result.value
}

export interface ProbeRun {
  readonly result: NatProbeResult
  readonly tookMs: number
  readonly events: readonly NatProbeEvent[]
}

export interface RunOptions {
  readonly mode?: Mode
  readonly lifetime?: LifetimeMode
  /** Ids that the host refuses to open. */
  readonly refuses?: (id: string) => boolean
  readonly ownAddresses?: readonly string[]
}

/** Runs all tests of one family on a host, to the end. */
export function runProbe(
  world: World,
  host: Host,
  servers: readonly Endpoint[],
  {
    mode = 'quick',
    lifetime = 'off',
    refuses = () => false,
    ownAddresses = host.addresses,
  }: RunOptions = {},
): ProbeRun {
  const probe = new NatProbe({
    servers,
    mode,
    lifetime,
    ownAddresses,
    random: world.random.fork('natprobe'),
  })
  const events: NatProbeEvent[] = []
  const startedAt = world.now
  let result: NatProbeResult | undefined
  const family = servers[0]?.family ?? 4
  const local = host.addresses.find((address) => address.includes(':') === (family === 6)) ?? ''
  const running = world.attach(host, probe, {
    onEvent(event) {
      events.push(event)
      if (event.kind === 'finished') result = event.result
      if (event.kind !== 'socket-wanted') return
      const { id } = event
      if (refuses(id)) {
        running.change((now) => probe.socketRefused(now, id))
        return
      }
      const socket = running.addSocket(id, {})
      running.change((now) => probe.socketOpened(now, id, literal(local, socket.port)))
    },
  })
  running.change(() => probe.start())
  if (!world.runUntil(() => result !== undefined, 400_000) || result === undefined) {
    throw new Error('natprobe did not come to an end')
  }
  running.stop()
  return { result, tookMs: world.now - startedAt, events }
}
