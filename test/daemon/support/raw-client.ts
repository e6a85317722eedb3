import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { Waiters } from '../../support/waiters.ts'

export interface Answer {
  readonly id?: string | number | null
  readonly method?: string
  readonly params?: { seq: number; type: string; data: Record<string, unknown> }
  readonly result?: unknown
  readonly error?: {
    readonly code: number
    readonly message: string
    readonly data: {
      readonly kind: string
      readonly retryable: boolean
      readonly retry_after_ms?: number
      readonly details: Record<string, unknown>
    }
  }
}

const PATIENCE_MS = 8_000

/** A client of the control socket that may also say what no client should. */
export class RawClient {
  readonly #socket: Socket
  readonly #waiters = new Waiters()
  readonly #lines: Answer[] = []
  #rest = ''
  #next = 0
  #lastId = 0
  #isClosed = false

  static async connect(path: string): Promise<RawClient> {
    const socket = createConnection({ path, allowHalfOpen: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#read(text))
    socket.on('error', () => undefined)
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#isClosed = true
        this.#waiters.notify()
      })
    }
  }

  /** Says anything at all. */
  say(bytes: string | Uint8Array): void {
    this.#socket.write(bytes)
  }

  line(value: unknown): void {
    this.say(`${JSON.stringify(value)}\n`)
  }

  /** Everything that came and was not taken yet by `next`. */
  get untaken(): readonly Answer[] {
    return this.#lines.slice(this.#next)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The next line that came, in order. */
  async next(): Promise<Answer> {
    const line = await this.#until(() => this.#lines[this.#next], 'another line')
    this.#next += 1
    return line
  }

  async take(count: number): Promise<Answer[]> {
    const lines: Answer[] = []
    while (lines.length < count) lines.push(await this.next())
    return lines
  }

  /** Asks, and takes lines until the answer is there; events that come before it are passed over. */
  async ask(method: string, params: object = {}): Promise<Answer> {
    this.#lastId += 1
    const id = this.#lastId
    this.line({ jsonrpc: '2.0', id, method, params })
    for (;;) {
      const line = await this.next()
      if (line.id === id) return line
    }
  }

  async result<T = Record<string, unknown>>(method: string, params: object = {}): Promise<T> {
    const { result, error } = await this.ask(method, params)
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result as T
  }

  /** The texts of the next so many events. */
  async texts(count: number): Promise<unknown[]> {
    return (await this.take(count)).map(({ params }) => params?.data['text'])
  }

  async closed(): Promise<void> {
    await this.#until(() => (this.#isClosed ? true : undefined), 'the end of the connection')
  }

  stopReading(): void {
    this.#socket.pause()
  }

  readAgain(): void {
    this.#socket.resume()
  }

  /** Finishes writing, as `nc -N` does at the end of its input. */
  endWriting(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #until<T>(look: () => T | undefined, what: string): Promise<T> {
    return await this.#waiters.until(look, PATIENCE_MS, () => `The client never saw ${what}`)
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') this.#lines.push(JSON.parse(line) as Answer)
    this.#waiters.notify()
  }
}
