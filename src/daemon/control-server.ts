/**
 * The control socket: newline-delimited JSON-RPC 2.0 on a Unix stream socket. The methods are `control-methods.ts`,
 * one client is `control-connection.ts`; here they are put together, validated by the one schema, and counted.
 */
import { JSONRPCServer } from 'json-rpc-2.0'
import type { z } from 'zod'
import { HollerError } from '../core/holler-error.ts'
import type { Logger } from '../core/logger.ts'
import { listenUnix } from '../io/unix-socket.ts'
import type { ByteStream } from '../io/byte-stream.ts'
import { encodeJsonLine } from '../protocol/control/json-lines.ts'
import { type Method, methods } from '../protocol/control/schema.ts'
import type { ControlClient } from './control-client.ts'
import { type ConnectionOptions, ControlConnection } from './control-connection.ts'
import { busyFault, errorAnswer, METHOD_NOT_FOUND, protocolFault } from './control-errors.ts'
import { type ControlMethods, controlMethods } from './control-methods.ts'
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
      rpc: rpcServer(controlMethods(daemon, onShutdown), logger),
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

function rpcServer(handlers: ControlMethods, logger: Logger): JSONRPCServer<ControlClient> {
  // It would print errors; ours are logged where they become answers.
  const rpc = new JSONRPCServer<ControlClient>({ errorListener: () => undefined })
  rpc.mapErrorToJSONRPCErrorResponse = (id, error) => errorAnswer(id, error, logger)
  rpc.handleMethodNotFound = ({ id, method }) => {
    const message = `No method "${method}"`
    const answer = protocolFault(id ?? null, METHOD_NOT_FOUND, 'unsupported', message)
    return Promise.resolve(id === undefined ? null : answer)
  }
  for (const name of Object.keys(methods) as Method[]) {
    rpc.addMethod(name, async (params: unknown, client) => {
      return await call(name, handlers, params, client)
    })
  }
  return rpc
}

async function call(
  name: Method,
  handlers: ControlMethods,
  params: unknown,
  client: ControlClient,
): Promise<unknown> {
  const checked = methods[name].params.safeParse(params ?? {})
  if (!checked.success) throw invalidParams(name, checked.error)
  // The table's type ties each method to its own parameters; looked up by name, TypeScript cannot see which it is.
  const handler = handlers[name] as (params: unknown, client: ControlClient) => unknown
  // An answer that is not what the schema says is a bug here: it fails as one.
  return methods[name].result.parse(await handler(checked.data, client))
}

function invalidParams(name: Method, error: z.ZodError): HollerError {
  const [issue] = error.issues
  const where = issue === undefined || issue.path.length === 0 ? '' : ` "${issue.path.join('.')}"`
  return new HollerError('INVALID_PARAMS', `${name}: parameters${where}: ${issue?.message ?? '?'}`)
}
