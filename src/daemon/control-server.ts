/**
 * The control socket: newline-delimited JSON-RPC 2.0 on a Unix stream socket. The methods are `control-methods.ts`,
 * one client is `control-connection.ts`; here they are put together, validated by the one schema, and counted.
 */
import type { Logger } from '../core/logger.ts'
import { listenUnix } from '../io/unix-socket.ts'
import type { ByteStream } from '../io/byte-stream.ts'
import { busyFault } from '../protocol/control/error-answer.ts'
import { encodeJsonLine } from '../protocol/control/json-lines.ts'
import { rpcServer } from '../protocol/control/rpc-server.ts'
import { methods } from '../protocol/control/schema.ts'
import { type ConnectionOptions, ControlConnection } from './control-connection.ts'
import { controlMethods } from './control-methods.ts'
import type { Daemon } from './daemon.ts'

/** Front-ends, scripts and bots of one account. */
export const MAX_CLIENTS = 64

/** Readable and writable for its owner and group; who may reach it is up to the directory and the group. */
const SOCKET_MODE = 0o660

/** How soon a client that found no place may look again. */
const RETRY_MS = 1_000

export interface ControlServerOptions {
  readonly daemon: Daemon
  readonly logger: Logger
  readonly path: string
  /** `daemon.shutdown` was asked for, and has been answered. */
  readonly onShutdown: () => void
  readonly slowConsumerMs?: number
}

export class ControlServer {
  readonly #connections = new Set<ControlConnection>() // ≤ MAX_CLIENTS
  readonly #connectionOptions: Omit<ConnectionOptions, 'onClosed'>
  #listener: { close(): Promise<void> } | undefined

  /** @throws HollerError `ALREADY_RUNNING` when somebody answers on the path, `CONFIG_INVALID` when it cannot be used. */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    const server = new ControlServer(options)
    server.#listener = await listenUnix({
      path: options.path,
      mode: SOCKET_MODE,
      onStream: (stream) => server.#accept(stream),
    })
    return server
  }

  private constructor({ daemon, logger, onShutdown, slowConsumerMs }: ControlServerOptions) {
    this.#connectionOptions = {
      clock: daemon.clock,
      logger,
      journal: daemon.journal,
      ephemeral: daemon.ephemeral,
      rpc: rpcServer(methods, controlMethods(daemon, onShutdown), logger),
      ...(slowConsumerMs === undefined ? {} : { slowConsumerMs }),
    }
  }

  get clients(): number {
    return this.#connections.size
  }

  /** Stops accepting, and closes every client when its answers have been sent. */
  async close(): Promise<void> {
    const closed = this.#listener?.close()
    for (const connection of this.#connections) connection.close()
    await closed
  }

  #accept(stream: ByteStream): void {
    if (this.#connections.size >= MAX_CLIENTS) {
      stream.write(encodeJsonLine(busyFault(null, `${MAX_CLIENTS} clients already`, RETRY_MS)))
      stream.close()
      return
    }
    const connection = new ControlConnection(stream, {
      ...this.#connectionOptions,
      onClosed: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
  }
}
