/** One run: two fresh processes, one transport, one workload. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type BenchNetwork, commandIn, type Place } from './network.ts'

export interface Transport {
  readonly name: string
  /** A file of `peers/`. */
  readonly peer: string
  readonly isEncrypted: boolean
  readonly environment?: Readonly<Record<string, string>>
}

export type Workload =
  | { readonly kind: 'soak'; readonly bytes: number }
  | { readonly kind: 'bulk'; readonly warmUpBytes: number; readonly bytes: number }
  | { readonly kind: 'pingPong'; readonly count: number }
  | { readonly kind: 'pipelined'; readonly warmUpCount: number; readonly count: number }
  | { readonly kind: 'messages'; readonly seconds: number; readonly everyMs: number }
  | {
      readonly kind: 'timed'
      readonly seconds: number
      readonly chatFrom?: number
      readonly chatTo?: number
      readonly everyMs?: number
    }

/** What the two halves found out; which fields there are depends on the workload. */
export interface Outcome {
  readonly ms?: number
  /** CPU of both processes between the client's marks. */
  readonly cpuSeconds: number
  readonly latencies: readonly number[]
  /** Messages that did not come. */
  readonly missing: number
  readonly startedAt: number
  readonly samples: readonly (readonly [at: number, bytes: number])[]
  /** Resident memory of both at the end. */
  readonly residentBytes: number
  readonly stats: unknown
}

export interface SoakHalf {
  readonly digest: string
  /** Memory in use, in bytes: the least in the second fifth, and in the last. */
  readonly early: number
  readonly late: number
  readonly stats: unknown
}

export interface SoakOutcome {
  readonly seconds: number
  readonly near: SoakHalf
  readonly far: SoakHalf
  /** CPU of both processes in two seconds after everything was acknowledged. */
  readonly quietCpuSeconds: number
}

interface HalfResult {
  readonly digest?: string
  readonly early?: number
  readonly late?: number
  readonly ms?: number
  readonly latencies?: readonly number[]
  readonly count?: number
  readonly startedAt?: number
  readonly samples?: readonly (readonly [number, number])[]
}

type FromPeer =
  | { readonly kind: 'connected' | 'listening' }
  | { readonly kind: 'signal' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'mark'; readonly name: 'start' | 'end' }
  | {
      readonly kind: 'result'
      readonly result: HalfResult
      readonly stats?: unknown
      readonly memory: NodeJS.MemoryUsage
    }

type Role = 'client' | 'server'

const PEER = fileURLToPath(new URL('peer.mjs', import.meta.url))
/** `BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=/tmp/profiles'`: what `NODE_OPTIONS` may not say. */
const NODE_FLAGS = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean)
const TICKS_PER_SECOND = 100 // sysconf(_SC_CLK_TCK), on Linux always
const CONNECT_LIMIT_MS = 20_000
const LONGEST_RUN_MS = 180_000
/** After the last byte: acknowledgements and the receiver's last windows are still on their way. */
const SETTLE_MS = 1_000
const QUIET_MS = 2_000

let nextPort = 30_000 + (process.pid % 20_000)

class Peer {
  readonly role: Role
  readonly #child: ChildProcess
  readonly #waiting = new Map<FromPeer['kind'], ((message: FromPeer) => void)[]>()
  readonly #seen = new Map<FromPeer['kind'], FromPeer>()
  #onFailed: (error: Error) => void = () => undefined
  onMark: (name: 'start' | 'end') => void = () => undefined
  onSignal: (message: FromPeer) => void = () => undefined
  readonly failed = new Promise<never>((_resolve, reject) => (this.#onFailed = reject))

  constructor(role: Role, place: Place, environment: Readonly<Record<string, string>>) {
    this.role = role
    const [command, ...args] = commandIn(place, [process.execPath, ...NODE_FLAGS, PEER])
    this.#child = spawn(command, args, {
      stdio: [
        'ignore',
        'inherit',
        process.env['BENCH_VERBOSE'] === '1' ? 'inherit' : 'ignore',
        'ipc',
      ],
      env: { ...process.env, ...environment },
    })
    this.failed.catch(() => undefined)
    this.#child.on('message', (message) => this.#take(message as FromPeer))
    this.#child.on('exit', (code) => this.#onFailed(new Error(`The ${role} ended (${code})`)))
  }

  send(message: object): void {
    if (this.#child.connected) this.#child.send(message)
  }

  /** The first message of that kind. */
  async told<K extends FromPeer['kind']>(kind: K): Promise<Extract<FromPeer, { kind: K }>> {
    const message = await Promise.race([
      this.failed,
      new Promise<FromPeer>((resolve) => {
        const seen = this.#seen.get(kind)
        if (seen !== undefined) resolve(seen)
        else this.#waiting.set(kind, [...(this.#waiting.get(kind) ?? []), resolve])
      }),
    ])
    return message as Extract<FromPeer, { kind: K }>
  }

  get cpuSeconds(): number {
    const { pid } = this.#child
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND // utime, stime
  }

  end(): void {
    this.#child.removeAllListeners('exit')
    // A profile is written by a process that ends by itself.
    if (NODE_FLAGS.length > 0 && this.#child.connected) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
  }

  #take(message: FromPeer): void {
    if (message.kind === 'failed') this.#onFailed(new Error(message.why))
    else if (message.kind === 'mark') this.onMark(message.name)
    else if (message.kind === 'signal') this.onSignal(message)
    else this.#seen.set(message.kind, message)
    for (const resolve of this.#waiting.get(message.kind) ?? []) resolve(message)
    this.#waiting.delete(message.kind)
  }
}

export interface Certificate {
  readonly key: string
  readonly certificate: string
}

/** @throws Error when the transport did not connect, ended, or took too long. */
export async function measure(
  network: BenchNetwork,
  transport: Transport,
  workload: Workload,
  certificate: Certificate,
): Promise<Outcome> {
  const { environment = {} } = transport
  const server = new Peer('server', network.right, environment)
  const client = new Peer('client', network.left, environment)
  const tooLong = timeLimit(LONGEST_RUN_MS, 'The run did not end')
  try {
    return await Promise.race([
      between(network, server, client, transport, workload, certificate),
      tooLong.error,
    ])
  } finally {
    tooLong.clear()
    server.end()
    client.end()
  }
}

/** Both are connected, and told to start. */
async function connected(
  network: BenchNetwork,
  server: Peer,
  client: Peer,
  transport: string,
  workload: Workload,
  certificate: Certificate | undefined,
): Promise<void> {
  const [clientAt, serverAt] = [
    { address: network.left.address, port: nextPort++ },
    { address: network.right.address, port: nextPort++ },
  ]
  server.onSignal = (message) => client.send(message)
  client.onSignal = (message) => server.send(message)
  const begin = { transport, workload }
  server.send({
    ...begin,
    role: 'server',
    addresses: { own: serverAt, peer: clientAt, certificate },
  })
  const limit = timeLimit(CONNECT_LIMIT_MS, 'No connection')
  await Promise.race([server.told('listening'), limit.error])
  client.send({
    ...begin,
    role: 'client',
    addresses: { own: clientAt, peer: serverAt, certificate },
  })
  const both = Promise.all([server.told('connected'), client.told('connected')])
  await Promise.race([both, limit.error])
  limit.clear()
  server.send({ kind: 'start' })
  client.send({ kind: 'start' })
}

async function between(
  network: BenchNetwork,
  server: Peer,
  client: Peer,
  transport: Transport,
  workload: Workload,
  certificate: Certificate,
): Promise<Outcome> {
  let cpuSeconds = 0
  client.onMark = (name) => {
    const sum = client.cpuSeconds + server.cpuSeconds
    cpuSeconds = name === 'start' ? -sum : cpuSeconds + sum
  }
  await connected(network, server, client, transport.peer, workload, certificate)
  const [near, far] = await Promise.all([client.told('result'), server.told('result')])
  const latencies = near.result.latencies ?? far.result.latencies ?? []
  return {
    ...(near.result.ms === undefined ? {} : { ms: near.result.ms }),
    cpuSeconds,
    latencies,
    missing: Math.max(0, (far.result.count ?? 0) - latencies.length),
    startedAt: near.result.startedAt ?? 0,
    samples: far.result.samples ?? [],
    residentBytes: near.memory.rss + far.memory.rss,
    stats: near.stats,
  }
}

/** Our own connection, from left to right, with no limit of time. */
export async function measureSoak(network: BenchNetwork, bytes: number): Promise<SoakOutcome> {
  const [server, client] = [
    new Peer('server', network.right, {}),
    new Peer('client', network.left, {}),
  ]
  try {
    await connected(network, server, client, 'ours', { kind: 'soak', bytes }, undefined)
    const [near, far] = await Promise.all([client.told('result'), server.told('result')])
    await sleep(SETTLE_MS)
    const before = client.cpuSeconds + server.cpuSeconds
    await sleep(QUIET_MS)
    return {
      seconds: (near.result.ms ?? 0) / 1000,
      near: soakHalf(near.result, near.stats),
      far: soakHalf(far.result, far.stats),
      quietCpuSeconds: client.cpuSeconds + server.cpuSeconds - before,
    }
  } finally {
    server.end()
    client.end()
  }
}

function soakHalf({ digest = '', early = 0, late = 0 }: HalfResult, stats: unknown): SoakHalf {
  return { digest, early, late, stats }
}

interface TimeLimit {
  readonly error: Promise<never>
  clear(): void
}

function timeLimit(ms: number, why: string): TimeLimit {
  let timer: NodeJS.Timeout | undefined
  const error = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(why)), ms)
  })
  error.catch(() => undefined)
  return { error, clear: () => clearTimeout(timer) }
}
