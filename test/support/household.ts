/**
 * A server and its people, each with a daemon, a state directory and a control socket of their own:
 * what the end-to-end tests, the laboratory and the playground have in common.
 */
import { mkdir } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { ControlClient } from '../../src/cli/control-client.ts'
import type {
  BuddyView,
  ControlEvent,
  Method,
  Params,
  PathView,
  Result,
} from '../../src/protocol/control/schema.ts'
import { type Finished, Program, runProgram, START_MS } from './programs.ts'
import { Waiters } from './waiters.ts'

/** Passwords of playground accounts protect nothing; this one is as long as the server wants. */
const PASSWORD = 'correct horse battery staple'

/** Long enough for a login and a punch on a busy machine. */
const STEP_MS = 20_000

export interface ServerOptions {
  readonly dataDir: string
  /** `HOST:PORT`; loopback and whatever ports are free when absent. */
  readonly listen?: string
  readonly udp?: string
  readonly udpAlt?: string
  /** `53,443` */
  readonly udpEgress?: string
  /** The link of a relay elsewhere. */
  readonly relay?: string
  readonly prefix?: readonly string[]
  /** Beside what every program is given. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Server {
  readonly program: Program
  /** `holler://HOST:PORT?pin=…`, or `holler-relay://…` of a relay. */
  readonly link: string
}

/** Starts a server with open registration; resolves when it listens. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { dataDir, listen = '127.0.0.1:0', udp = '127.0.0.1:0', udpAlt, prefix = [] } = options
  const args = [
    ...['--data', dataDir, '--listen', listen, '--udp', udp, '--open-registration'],
    ...(udpAlt === undefined ? [] : ['--udp-alt', udpAlt]),
    ...(options.udpEgress === undefined ? [] : ['--udp-egress', options.udpEgress]),
    ...(options.relay === undefined ? [] : ['--relay', options.relay]),
  ]
  return await serve(args, prefix, options.env)
}

/** The same with a command line of one's own. */
export async function serve(
  args: readonly string[],
  prefix: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const program = new Program({ name: 'holler-server', main: 'server', args, prefix, env })
  return { program, link: await program.line(/^holler:\/\//) }
}

/** Runs a command of an administrator, which must succeed; its answer. */
export async function administer<T>(dataDir: string, ...command: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runProgram({
    name: command.join(' '),
    main: 'server',
    args: [...command, '--data', dataDir, '--json'],
  })
  if (code !== 0) throw new Error(`holler-server ${command.join(' ')}: ${String(code)}: ${stderr}`)
  return JSON.parse(stdout) as T
}

export interface RelayOptions {
  readonly dataDir: string
  readonly listen: string
  readonly udp: string
  /** The server whose tickets it takes, by `relayKeyOf`. */
  readonly trust: string
  readonly prefix: readonly string[]
}

/** Starts a relay without a server; resolves when it listens. */
export async function startRelay(options: RelayOptions): Promise<Server> {
  const { dataDir, listen, udp, trust, prefix } = options
  const program = new Program({
    name: 'holler-server --role relay',
    main: 'server',
    args: [
      '--role',
      'relay',
      '--data',
      dataDir,
      '--listen',
      listen,
      '--udp',
      udp,
      '--trust',
      trust,
    ],
    prefix,
  })
  return { program, link: await program.line(/^holler-relay:\/\//) }
}

/** What relays must trust, of a server that has run once. */
export async function relayKeyOf(dataDir: string): Promise<string> {
  const args = ['relay-key', '--data', dataDir]
  const { code, stdout, stderr } = await runProgram({ name: 'relay-key', main: 'server', args })
  if (code !== 0) throw new Error(`holler-server relay-key: ${stderr}`)
  return stdout.trim()
}

export interface PersonOptions {
  readonly name: string
  /** The daemon's state and socket live under it. */
  readonly directory: string
  /** `ADDRESS[:PORT]` of the daemon's UDP socket. */
  readonly bind?: string
  readonly prefix?: readonly string[]
}

/** One person at a daemon. */
export class Person {
  readonly name: string
  readonly socket: string
  readonly stateDir: string
  readonly #options: PersonOptions
  #daemon: Program | undefined
  #client: ControlClient | undefined
  #events: ControlEvent[] = []
  #waiters = new Waiters()

  constructor(options: PersonOptions) {
    this.#options = options
    this.name = options.name
    this.stateDir = join(options.directory, 'state')
    this.socket = join(options.directory, 'control.sock')
  }

  get daemon(): Program {
    if (this.#daemon === undefined) throw new Error(`${this.name}'s hollerd was not started`)
    return this.#daemon
  }

  /** Starts the daemon, or starts it again; resolves when its control socket answers. */
  async startDaemon(): Promise<void> {
    const { bind, prefix = [], directory } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o700 })
    this.#daemon = new Program({
      name: `${this.name}'s hollerd`,
      main: 'daemon',
      args: [
        ...['--state-dir', this.stateDir, '--socket', this.socket],
        ...(bind === undefined ? [] : ['--bind', bind]),
      ],
      prefix,
    })
    await socketAnswers(this.socket, this.#daemon)
    await this.#listen()
  }

  async stopDaemon(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.daemon.stop(signal)
    this.#client?.close()
  }

  /** Runs one `holler` command line against this daemon. */
  async holler(args: readonly string[], stdin?: string): Promise<Finished> {
    return runProgram({
      name: `holler ${args.join(' ')}`,
      main: 'cli',
      args,
      env: { HOLLER_SOCKET: this.socket },
      ...(stdin !== undefined && { stdin }),
    })
  }

  /** The same with `--json`, which must succeed. */
  async json<T>(args: readonly string[], stdin?: string): Promise<T> {
    const { code, stdout, stderr } = await this.holler([...args, '--json'], stdin)
    if (code !== 0) {
      const what = `${this.name}: holler ${args.join(' ')} ended with ${String(code)}`
      throw new Error(`${what}: ${stderr.trim()}${this.daemon.logTail()}`)
    }
    return JSON.parse(stdout) as T
  }

  /** Makes an account called like the person. */
  async register(link: string): Promise<number> {
    const args = [
      'account',
      'register',
      '--server',
      link,
      '--handle',
      this.name,
      '--password-stdin',
    ]
    const { number } = await this.json<{ number: number }>(args, `${PASSWORD}\n`)
    return number
  }

  /** A request on the control socket. */
  async request<M extends Method>(
    method: M,
    params: Params<M>,
    withinMs = STEP_MS,
  ): Promise<Result<M>> {
    if (this.#client === undefined) throw new Error(`${this.name}'s hollerd was not started`)
    return this.#client.request(method, params, withinMs).catch((cause: unknown) => {
      throw new Error(`${this.name}: ${method}: ${messageOf(cause)}${this.daemon.logTail()}`, {
        cause,
      })
    })
  }

  /** Everything that the daemon announced since it was started, its journal included. */
  get events(): readonly ControlEvent[] {
    return this.#events
  }

  /** The first event, past or to come, that matches. */
  async event(
    what: string,
    matches: (event: ControlEvent) => boolean,
    withinMs = STEP_MS,
  ): Promise<ControlEvent> {
    return this.#waiters.until(
      () => this.#events.find(matches),
      withinMs,
      () => `${this.name} never saw: ${what}${this.daemon.logTail()}`,
    )
  }

  /** What `look` finds, asked again after each event (and now and then: not everything has an event). */
  async eventually<T>(
    what: string,
    look: () => Promise<T | undefined>,
    withinMs = STEP_MS,
  ): Promise<T> {
    const deadline = performance.now() + withinMs
    for (;;) {
      const seen = this.#events.length
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > deadline) {
        throw new Error(
          `${this.name}: not within ${withinMs / 1000} s: ${what}${this.daemon.logTail()}`,
        )
      }
      await this.#waiters
        .until(
          () => (this.#events.length > seen ? true : undefined),
          LOOK_AGAIN_MS,
          () => '',
        )
        .catch(() => undefined)
    }
  }

  async buddy(name: string): Promise<BuddyView | undefined> {
    const buddies = await this.request('buddy.list', {})
    return buddies.find(({ handle }) => handle === name)
  }

  /** Waits until the path to a buddy is of one of these kinds. */
  async pathOfKind(
    buddy: string,
    kinds: readonly PathView['kind'][],
    withinMs = STEP_MS,
  ): Promise<PathView> {
    let last = 'none'
    return this.eventually(
      `a path to ${buddy} of kind ${kinds.join(' or ')}`,
      async () => {
        const path = await this.request('net.path', { buddy })
        last = JSON.stringify(path)
        return kinds.includes(path.kind) ? path : undefined
      },
      withinMs,
    ).catch((error: unknown) => {
      throw new Error(`${messageOf(error)}\n  the last path was ${last}`)
    })
  }

  async #listen(): Promise<void> {
    const client = await ControlClient.connect(this.socket)
    this.#client = client
    this.#events = []
    client.onEvent((event) => {
      this.#events.push(event)
      this.#waiters.notify()
    })
    await client.request('events.subscribe', { since: 0 }, STEP_MS)
  }
}

/** How often is looked again for what has no event. */
const LOOK_AGAIN_MS = 100

/** Makes two registered people buddies; resolves when each sees the other online. */
export async function befriend(one: Person, other: Person): Promise<void> {
  await one.json(['buddy', 'add', other.name, '--note', `It is me, ${one.name}`])
  await other.event(
    `a buddy request of ${one.name}`,
    ({ type, data }) => type === 'buddy.request' && JSON.stringify(data).includes(one.name),
  )
  await other.json(['buddy', 'accept', one.name])
  await Promise.all([seesOnline(one, other), seesOnline(other, one)])
}

export async function seesOnline(one: Person, other: Person): Promise<void> {
  await one.eventually(`${other.name} online`, async () => {
    const buddy = await one.buddy(other.name)
    return buddy?.state === 'accepted' && buddy.presence === 'online' ? true : undefined
  })
}

/** The event of a received message with this text. */
export async function messageArrives(
  to: Person,
  text: string,
  withinMs = STEP_MS,
): Promise<ControlEvent> {
  return to.event(
    `the message "${text}"`,
    ({ type, data }) => type === 'message.received' && data['text'] === text,
    withinMs,
  )
}

async function socketAnswers(path: string, daemon: Program): Promise<void> {
  const deadline = performance.now() + START_MS
  while (!(await answers(path))) {
    if (daemon.hasExited || performance.now() > deadline) {
      throw new Error(`${daemon.name} does not answer on ${path}${daemon.logTail()}`)
    }
    await daemon.stderr.waiters
      .until(
        () => (daemon.hasExited ? true : undefined),
        LOOK_AGAIN_MS / 4,
        () => '',
      )
      .catch(() => undefined)
  }
}

async function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
