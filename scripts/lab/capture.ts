/** Counts packets on an interface in a namespace, with tcpdump: an eye that is not ours. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Namespace } from './namespaces.ts'
import { own } from './router/owned-processes.ts'

const START_MS = 20_000

export class Capture {
  /** One line for each packet. */
  readonly packets: string[] = [] // ≤ the packets of one test
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #exited: Promise<void>

  private constructor(namespace: Namespace, device: string, filter: string) {
    const [command = '', ...prefix] = namespace.prefix
    // -l: a line at once. --immediate-mode: a packet at once, and none waits in the kernel when we stop.
    const args = [...prefix, 'tcpdump', '-n', '-l', '--immediate-mode', '-i', device, filter]
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#exited = own(this.#child)
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      if (line !== '') this.packets.push(line)
    })
  }

  /** Resolves when it sees every packet that matches (pcap-filter(7)). */
  static async start(namespace: Namespace, device: string, filter: string): Promise<Capture> {
    const capture = new Capture(namespace, device, filter)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('tcpdump does not start')), START_MS)
      createInterface({ input: capture.#child.stderr }).on('line', (line) => {
        if (!line.startsWith('listening on')) return
        clearTimeout(timer)
        resolve()
      })
    })
    return capture
  }

  async stop(): Promise<readonly string[]> {
    this.#child.kill('SIGINT')
    await this.#exited
    return this.packets
  }
}
