/**
 * Programs that tell what a NAT does, written by others and by us, and the server that they ask.
 * Debian's packages: coturn (`turnserver`, `turnutils_natdiscovery`) and stun-client (`stun`).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Namespace } from '../../scripts/lab/namespaces.ts'
import { own } from '../../scripts/lab/router/owned-processes.ts'
import { runProgram } from '../support/programs.ts'

/** natdiscovery waits 3 s for each answer that does not come. */
const JUDGE_MS = 90_000
const START_MS = 20_000
/** By its path: npm puts another `stun`, of the package, before it. */
const STUN_CLIENT = '/usr/bin/stun'

/** coturn as a STUN server (RFC 5780) on two addresses, ports 3478 and 3479. */
export class TurnServer {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#exited = own(child)
  }

  static async start(
    namespace: Namespace,
    addresses: readonly string[],
    directory: string,
  ): Promise<TurnServer> {
    const [command = '', ...prefix] = namespace.prefix
    const args = [
      ...['turnserver', '-n', '--stun-only', '--no-auth', '--no-tls', '--no-dtls', '--no-cli'],
      ...['--log-file', 'stdout', '--pidfile', join(directory, 'turnserver.pid')],
      ...['--userdb', join(directory, 'turndb')],
      ...addresses.flatMap((address) => ['--listening-ip', address]),
    ]
    const child = spawn(command, [...prefix, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
    const server = new TurnServer(child)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('turnserver does not start')), START_MS)
      child.once('error', reject)
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (!line.includes('Total General servers')) return
        clearTimeout(timer)
        resolve()
      })
    })
    return server
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#exited
  }
}

export interface Verdict {
  readonly mapping: string
  readonly filtering: string
  /** All that it said. */
  readonly words: string
}

/** Says `Endpoint Independent`, `Address Dependent` or `Address and Port Dependent`. */
export async function askNatDiscovery(host: Namespace, server: string): Promise<Verdict> {
  const words = await run(host, 'turnutils_natdiscovery', '-m', '-f', server)
  const find = (what: string): string =>
    new RegExp(`NAT with (.*) ${what}!`).exec(words)?.[1] ?? 'nothing'
  return { mapping: find('Mapping'), filtering: find('Filtering'), words }
}

/** The `Primary:` line of the classic client, whose test of hairpinning is the only one here. */
export async function askStunClient(host: Namespace, server: string): Promise<string> {
  const words = await run(host, STUN_CLIENT, server)
  return /Primary: (.*?)\s*$/m.exec(words)?.[1] ?? words
}

interface Report {
  readonly families?: {
    readonly ipv4?: {
      readonly mapping: { readonly value: string }
      readonly filtering: { readonly value: string }
    }
  }
}

/** `server` with its port. */
export async function askNatprobe(host: Namespace, server: string): Promise<Verdict> {
  const { stdout, stderr } = await runProgram({
    name: 'natprobe',
    main: 'natprobe',
    args: [server, '--quick', '--json'],
    prefix: host.prefix,
  })
  const words = stdout + stderr
  const found = stdout === '' ? undefined : (JSON.parse(stdout) as Report).families?.ipv4
  const { mapping, filtering } = found ?? {}
  return { mapping: mapping?.value ?? '', filtering: filtering?.value ?? '', words }
}

/** Its output, however it ends: the `stun` client's status is its verdict. */
function run(host: Namespace, ...command: readonly string[]): Promise<string> {
  const [first = '', ...rest] = [...host.prefix, ...command]
  return new Promise((resolve) => {
    execFile(first, rest, { timeout: JUDGE_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
      resolve(stdout === '' ? `${stderr}${error?.message ?? ''}` : stdout),
    )
  })
}
