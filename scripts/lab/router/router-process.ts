/** A router's process from its owner's side: started in a namespace, told what to do, ended by its id. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Namespace } from '../namespaces.ts'
import type { RouterCommand, RouterCounts, RouterReply, RouterSetup } from './control.ts'
import { own } from './owned-processes.ts'

/** tsx compiles the program first; two cores may be busy. */
const START_MS = 20_000
/** The process sees the end of its stdin at once; after this it hangs. */
const STOP_MS = 3_000

type Done = Extract<RouterReply, { kind: 'done' }>

interface Waiting {
  readonly resolve: (done: Done) => void
  readonly reject: (error: Error) => void
}

export class RouterProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #exited: Promise<void>
  readonly #waiting = new Map<number, Waiting>() // ≤ commands under way
  #nextId = 1

  private constructor(namespace: Namespace, setup: RouterSetup) {
    const program = fileURLToPath(new URL('main.ts', import.meta.url))
    const [command = '', ...prefix] = namespace.prefix
    const args = [...prefix, process.execPath, '--import', import.meta.resolve('tsx'), program]
    this.#child = spawn(command, [...args, JSON.stringify(setup)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdin.on('error', () => undefined) // it ended: `#exited` tells
    this.#exited = own(this.#child)
  }

  /** Resolves when the router forwards. */
  static async start(namespace: Namespace, setup: RouterSetup): Promise<RouterProcess> {
    const router = new RouterProcess(namespace, setup)
    try {
      await router.#ready()
    } catch (error) {
      await router.stop()
      throw error
    }
    return router
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves when it is carried out. */
  async tell(command: RouterCommand): Promise<RouterCounts> {
    const id = this.#nextId++
    const done = await new Promise<Done>((resolve, reject) => {
      if (this.#child.exitCode !== null) reject(new Error('The router has ended'))
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ id, command })}\n`)
    })
    return done.counts
  }

  async stop(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.#exited
    clearTimeout(timer)
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('The router does not start')), START_MS)
      void this.#exited.then(() => {
        clearTimeout(timer)
        const error = new Error('The router has ended')
        reject(error)
        for (const { reject: rejectCommand } of this.#waiting.values()) rejectCommand(error)
      })
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const reply = JSON.parse(line) as RouterReply
        if (reply.kind === 'ready') {
          clearTimeout(timer)
          resolve()
        } else this.#settle(reply)
      })
    })
  }

  #settle(reply: Exclude<RouterReply, { kind: 'ready' }>): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.kind === 'done') waiting?.resolve(reply)
    else waiting?.reject(new Error(reply.why))
  }
}
