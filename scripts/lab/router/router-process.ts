/** The routers' process from its owner's side: started in a namespace, told what to do, ended by its id. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Namespace } from '../namespaces.ts'
import type { RouterCommand, RouterCounts, RouterReply, RouterRequest } from './control.ts'
import { own } from './owned-processes.ts'

/** tsx compiles the program first; two cores may be busy. */
const START_MS = 30_000
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

  private constructor(namespace: Namespace) {
    const program = fileURLToPath(new URL('main.ts', import.meta.url))
    const [command = '', ...prefix] = namespace.prefix
    const args = [...prefix, process.execPath, '--import', import.meta.resolve('tsx'), program]
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin.on('error', () => undefined) // it ended: `#exited` tells
    this.#exited = own(this.#child)
  }

  /** Resolves when it takes commands. */
  static async start(namespace: Namespace): Promise<RouterProcess> {
    const routers = new RouterProcess(namespace)
    try {
      await routers.#ready()
    } catch (error) {
      await routers.stop()
      throw error
    }
    return routers
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves when it is carried out by the router of this name. */
  async tell(router: string, command: RouterCommand): Promise<RouterCounts> {
    const request: RouterRequest = { id: this.#nextId++, router, command }
    const done = await new Promise<Done>((resolve, reject) => {
      if (this.#child.exitCode !== null) reject(new Error('The routers’ process has ended'))
      this.#waiting.set(request.id, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify(request)}\n`)
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
      const late = (): void => reject(new Error('The routers’ process does not start'))
      const timer = setTimeout(late, START_MS)
      void this.#exited.then(() => {
        clearTimeout(timer)
        const error = new Error('The routers’ process has ended')
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
