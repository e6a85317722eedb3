/**
 * Network namespaces, the cables between them, and commands run inside. Needs root, `ip` and `nft`.
 *
 * Every namespace has a name of this run alone (`hlab-PID-…`). `close` ends what still runs in them and removes them,
 * and with them their interfaces, routes, rules and connection tables: nothing is ever changed outside.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export class Namespaces {
  readonly #prefix: string
  readonly #names: string[] = []
  readonly #removeAtExit = (): void => this.#removeNow()

  constructor(prefix = `hlab-${process.pid}`) {
    this.#prefix = prefix
    process.once('exit', this.#removeAtExit)
  }

  /** A new namespace, with nothing in it but a loopback interface. */
  async add(label: string): Promise<Namespace> {
    const name = `${this.#prefix}-${label}`
    await execute('ip', ['netns', 'add', name])
    this.#names.push(name)
    const namespace = new Namespace(name)
    await namespace.ip('link set lo up')
    return namespace
  }

  async close(): Promise<void> {
    process.off('exit', this.#removeAtExit)
    for (const name of this.#names.splice(0)) {
      // What a failed test left behind: the run would wait for it.
      endAll((await execute('ip', ['netns', 'pids', name])).stdout)
      await execute('ip', ['netns', 'delete', name])
    }
  }

  // A test run that is interrupted has no time for promises.
  #removeNow(): void {
    for (const name of this.#names.splice(0)) {
      endAll(spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout)
      spawnSync('ip', ['netns', 'delete', name])
    }
  }
}

/** `pids`: one in each line. */
function endAll(pids: string): void {
  for (const pid of pids.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // it has ended by itself meanwhile
    }
  }
}

export class Namespace {
  readonly name: string
  /** Put before a command, it runs that command in here. */
  readonly prefix: readonly string[]

  constructor(name: string) {
    this.name = name
    this.prefix = ['ip', 'netns', 'exec', name]
  }

  /** Runs a command in here; rejects with its complaints when it fails. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execute('ip', ['netns', 'exec', this.name, command, ...args])
    return stdout
  }

  /** Runs commands of `ip` in here, one after the other: one process for all, since starting it is what takes time. */
  async ip(...commands: readonly string[]): Promise<void> {
    await batch(['-n', this.name], commands)
  }

  /** Adds rules to what is there: all of the script or nothing of it. */
  nft(script: string): void {
    const { status, stderr } = spawnSync('ip', ['netns', 'exec', this.name, 'nft', '-f', '-'], {
      input: script,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`nft in ${this.name}: ${stderr}\n${script}`)
  }

  /** Passes on what is not for itself. */
  async forward(): Promise<void> {
    await this.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  }

  async route(destination: string, via: string): Promise<void> {
    await this.ip(routeCommand(destination, via))
  }
}

export interface Plug {
  readonly namespace: Namespace
  readonly name: string
  /** With prefix lengths: `198.51.100.1/24`. */
  readonly addresses: readonly string[]
  /** Of `ip`, once the interface is up. */
  readonly commands?: readonly string[]
}

/** A cable between two namespaces: a veth pair, both ends up. */
export async function connect(one: Plug, other: Plug): Promise<void> {
  const ends = [one, other].map(({ namespace, name }) => `name ${name} netns ${namespace.name}`)
  await batch([], [`link add ${ends[0] ?? ''} type veth peer ${ends[1] ?? ''}`])
  await Promise.all(
    [one, other].map(({ namespace, name, addresses, commands = [] }) =>
      namespace.ip(
        ...addresses.map((address) => addressCommand(address, name)),
        `link set ${name} up`,
        ...commands,
      ),
    ),
  )
}

/** With its prefix length; usable at once, IPv6 too: nobody else has it. */
export function addressCommand(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`
}

export function routeCommand(destination: string, via: string): string {
  return `route replace ${destination} via ${via}`
}

async function batch(flags: readonly string[], commands: readonly string[]): Promise<void> {
  const running = execute('ip', [...flags, '-batch', '-'])
  running.child.stdin?.end(`${commands.join('\n')}\n`)
  await running.catch((error: unknown) => {
    throw new Error(`ip ${flags.join(' ')}: ${commands.join('; ')}: ${String(error)}`)
  })
}
