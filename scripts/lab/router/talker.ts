import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Waiters } from '../../../test/support/waiters.ts'
import type { Namespace } from '../namespaces.ts'
import { own } from './owned-processes.ts'

export type Heard =
  | { readonly kind: 'bound'; readonly port: number }
  | {
      readonly kind: 'received'
      readonly from: string
      readonly text: string
      readonly size: number
    }
  | { readonly kind: 'error'; readonly code: string }

export interface Said {
  /** `ADDRESS:PORT`. */
  readonly to: string
  readonly text: string
  readonly ttl?: number
  /** From then on it talks to that one only, and hears of ICMP errors. */
  readonly connects?: boolean
}

/** Between processes on a busy machine. */
const PATIENCE_MS = 10_000

/** A UDP socket in a namespace. */
export class Talker {
  readonly heard: Heard[] = []
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #waiters = new Waiters()
  readonly #exited: Promise<void>

  private constructor(namespace: Namespace, args: readonly string[]) {
    const program = fileURLToPath(new URL('talker.mjs', import.meta.url))
    const [command = '', ...prefix] = namespace.prefix
    this.#child = spawn(command, [...prefix, process.execPath, program, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdin.on('error', () => undefined)
    this.#exited = own(this.#child)
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.heard.push(JSON.parse(line) as Heard)
      this.#waiters.notify()
    })
  }

  /** An `echo` tells each one who talks to it where that came from. */
  static async start(
    namespace: Namespace,
    options: {
      readonly mode?: 'talk' | 'echo'
      readonly address?: string
      readonly port?: number
    } = {},
  ): Promise<Talker> {
    const { mode = 'talk', address = '0.0.0.0', port = 0 } = options
    const talker = new Talker(namespace, [mode, address, String(port)])
    await talker.hears(({ kind }) => kind === 'bound')
    return talker
  }

  get port(): number {
    const bound = this.heard.find((event) => event.kind === 'bound')
    return bound?.kind === 'bound' ? bound.port : 0
  }

  say(said: Said): void {
    this.#child.stdin.write(`${JSON.stringify(said)}\n`)
  }

  /** The first thing past or to come that fits. */
  async hears(fits: (heard: Heard) => boolean): Promise<Heard> {
    return this.#waiters.until(
      () => this.heard.find(fits),
      PATIENCE_MS,
      () => `Heard only ${JSON.stringify(this.heard)}`,
    )
  }

  /** Asks an echo; its answer is where it sees us. */
  async asks(to: string, size = 30): Promise<string> {
    const known = this.heard.length
    this.say({ to, text: ''.padEnd(size, '?') })
    const answer = await this.hears(
      (event) =>
        event.kind === 'received' && event.from === to && this.heard.indexOf(event) >= known,
    )
    return answer.kind === 'received' ? answer.text : ''
  }

  async stop(): Promise<void> {
    this.#child.stdin.end()
    await this.#exited
  }
}
