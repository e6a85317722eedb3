/**
 * The admin socket: whoever can connect may do everything, so the file is its owner's alone. The lines of one client
 * are answered one after the other, and its next ones are not read before it has taken the answers.
 */
import type { JSONRPCServer } from 'json-rpc-2.0'
import type { Logger } from '../../core/logger.ts'
import type { ByteStream } from '../../io/byte-stream.ts'
import { listenUnix } from '../../io/unix-socket.ts'
import { busyFault } from '../../protocol/control/error-answer.ts'
import {
  encodeJsonLine,
  JsonLineDecoder,
  type LineResult,
} from '../../protocol/control/json-lines.ts'
import { lineFault, readRequest, requestFault } from '../../protocol/control/request.ts'
import { type RpcHandlers, rpcServer } from '../../protocol/control/rpc-server.ts'
import { adminMethods } from './admin-schema.ts'

/** An administrator's terminals and a few scripts. */
const MAX_CLIENTS = 16
const RETRY_MS = 1_000

const SOCKET_MODE = 0o600

export interface AdminServer {
  /** Stops accepting, and closes every client when its answers have been sent. */
  close(): Promise<void>
}

/** @throws HollerError `ALREADY_RUNNING` when somebody answers on the path, `CONFIG_INVALID` when it cannot be used. */
export async function openAdminServer(options: {
  readonly path: string
  readonly handlers: RpcHandlers<typeof adminMethods, undefined>
  readonly logger: Logger
}): Promise<AdminServer> {
  const rpc = rpcServer(adminMethods, options.handlers, options.logger)
  const clients = new Set<ByteStream>() // ≤ MAX_CLIENTS
  const listener = await listenUnix({
    path: options.path,
    mode: SOCKET_MODE,
    onStream: (stream) => {
      if (clients.size >= MAX_CLIENTS) {
        stream.write(encodeJsonLine(busyFault(null, `${MAX_CLIENTS} clients already`, RETRY_MS)))
        stream.close()
        return
      }
      clients.add(stream)
      stream.onClose(() => clients.delete(stream))
      new AdminClient(stream, rpc).start()
    },
  })
  return {
    close: async () => {
      const closed = listener.close()
      for (const stream of clients) stream.close()
      await closed
    },
  }
}

class AdminClient {
  readonly #stream: ByteStream
  readonly #rpc: JSONRPCServer<undefined>
  readonly #decoder = new JsonLineDecoder()
  #lines: LineResult[] = [] // of one read (64 KiB): nothing is read while there are any
  #isWorking = false
  #hasEnded = false
  #whenDrained: (() => void) | undefined // one: lines wait for each other

  constructor(stream: ByteStream, rpc: JSONRPCServer<undefined>) {
    this.#stream = stream
    this.#rpc = rpc
  }

  start(): void {
    this.#stream.onDrain(() => this.#whenDrained?.())
    this.#stream.onEnd(() => {
      this.#hasEnded = true
      void this.#workOff() // never rejects: what fails is an answer
    })
    this.#stream.onBytes((bytes) => {
      this.#lines.push(...this.#decoder.push(bytes))
      void this.#workOff() // never rejects: what fails is an answer
    })
  }

  async #workOff(): Promise<void> {
    if (this.#isWorking) return
    this.#isWorking = true
    this.#stream.pause()
    for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
      const answer = await this.#answer(line)
      if (answer !== null) this.#stream.write(encodeJsonLine(answer))
      if (this.#stream.isFull) await this.#drained()
    }
    this.#isWorking = false
    if (this.#hasEnded) this.#stream.close()
    else this.#stream.resume()
  }

  async #answer(line: LineResult): Promise<object | null> {
    if (!line.ok) return lineFault(line.why)
    const request = readRequest(line.value)
    return request === undefined ? requestFault(line.value) : await this.#rpc.receive(request)
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#whenDrained = resolve
    })
    this.#whenDrained = undefined
  }
}
