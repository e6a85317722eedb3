/** Debian's miniupnpd as a gateway of the laboratory, and commands in namespaces watched by their output. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Namespace } from '../../scripts/lab/namespaces.ts'
import { Waiters } from '../support/waiters.ts'

const WAIT_MS = 15_000

export const hasMiniupnpd = spawnSync('miniupnpd', ['--version']).error === undefined

/** Of port-mapping-host.ts: what a `PortMapper` tells of a mapping. */
export interface Mapped {
  readonly by: string
  readonly external: { readonly address: string; readonly port: number }
  readonly isPermanent: boolean
  readonly afterMs: number
}

/**
 * miniupnpd in a namespace with the interfaces `wan` and `lan` (10.9.0.1/24). It maps nothing on an address of the
 * documentation's networks, so `wan` has one that looks public; nothing leaves the namespaces.
 */
export class Gateway {
  readonly #namespace: Namespace
  readonly #directory: string
  #miniupnpd: Child | undefined

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace
    this.#directory = directory
    namespace.nft(GATEWAY_RULES)
  }

  async start({ speaksNatPmp = true } = {}): Promise<void> {
    const conf = join(this.#directory, 'miniupnpd.conf')
    await writeFile(conf, MINIUPNPD_CONF + (speaksNatPmp ? 'enable_natpmp=yes\n' : ''))
    const command = ['miniupnpd', '-d', '-f', conf, '-P', join(this.#directory, 'pid')]
    this.#miniupnpd = new Child(this.#namespace, command)
    await this.#miniupnpd.errorLine(/HTTP listening on port/)
  }

  async stop(): Promise<void> {
    await this.#miniupnpd?.end()
  }

  /** nft's rules of what is mapped. */
  mappings(): string {
    const list = ['netns', 'exec', this.#namespace.name, 'nft', 'list', 'chain', 'inet', 'filter']
    return spawnSync('ip', [...list, 'prerouting_miniupnpd'], { encoding: 'utf8' }).stdout
  }

  forgetMappings(): void {
    this.#namespace.nft(
      'flush chain inet filter prerouting_miniupnpd; flush chain inet filter miniupnpd',
    )
  }
}

const running = new Set<Child>()
process.once('exit', () => {
  for (const child of running) child.kill()
})

export async function endAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.end()))
}

/** A command in a namespace, watched by its output. */
export class Child {
  readonly #name: string
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiters = new Waiters()
  readonly #exited: Promise<void>
  #stdout = ''
  #stderr = ''

  constructor(namespace: Namespace, [command = '', ...args]: readonly string[]) {
    this.#name = command
    this.#child = spawn('ip', ['netns', 'exec', namespace.name, command, ...args])
    running.add(this)
    this.#child.stdin.on('error', () => undefined)
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#waiters.notify()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#waiters.notify()
    })
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', () => {
        running.delete(this)
        resolve()
      })
    })
  }

  command(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  /** The event of this kind that came as number `index`, past or to come. */
  event<T = Mapped>(kind: string, index = 0): Promise<T> {
    return this.#until(() => {
      const lines = this.#stdout.split('\n').slice(0, -1)
      const events = lines.map((line) => JSON.parse(line) as { readonly kind: string })
      return events.filter((event) => event.kind === kind)[index] as T | undefined
    }, `event "${kind}"`)
  }

  async errorLine(pattern: RegExp): Promise<void> {
    await this.#until(() => (pattern.test(this.#stderr) ? true : undefined), String(pattern))
  }

  /** The same for what a program says without an error. */
  async line(pattern: RegExp): Promise<void> {
    await this.#until(() => (pattern.test(this.#stdout) ? true : undefined), String(pattern))
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    this.kill()
    await this.#exited
  }

  #until<T>(look: () => T | undefined, what: string): Promise<T> {
    const complaint = (): string =>
      `No ${what} from ${this.#name}\n${this.#stdout.slice(-2000)}\n${this.#stderr.slice(-2000)}`
    return this.#waiters.until(look, WAIT_MS, complaint)
  }
}

/* What nobody inside asked for is dropped, unless miniupnpd's chains say otherwise. */
const GATEWAY_RULES = `
  table inet filter {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward {
      type filter hook forward priority 0; policy drop;
      ct state established,related accept
      iifname "lan" accept
      jump miniupnpd
    }
    chain prerouting {
      type nat hook prerouting priority -100;
      jump prerouting_miniupnpd
    }
    chain postrouting {
      type nat hook postrouting priority 100;
      oifname "wan" ip saddr 10.9.0.0/24 masquerade
      jump postrouting_miniupnpd
    }
  }`

const MINIUPNPD_CONF = `
ext_ifname=wan
listening_ip=lan
http_port=0
ipv6_disable=yes
enable_upnp=yes
secure_mode=yes
upnp_table_name=filter
upnp_nat_table_name=filter
min_lifetime=120
max_lifetime=86400
uuid=00000000-0000-4000-8000-000000000001
allow 1024-65535 10.9.0.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`
