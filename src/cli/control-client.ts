/**
 * The client's end of the control socket: requests with a deadline, and the events of a subscription.
 * Newline-delimited JSON-RPC 2.0; the daemon is trusted to answer as `protocol/control/schema.ts` says.
 */
import { type JSONRPCErrorException, JSONRPCClient, type JSONRPCResponse } from 'json-rpc-2.0'
import { connectUnix } from '../io/unix-socket.ts'
import type { ByteStream } from '../io/byte-stream.ts'
import { controlErrors, type ControlErrorKind } from '../protocol/control/errors.ts'
import { encodeJsonLine, JsonLineDecoder } from '../protocol/control/json-lines.ts'
import type { ControlEvent, Method, Params, Result } from '../protocol/control/schema.ts'
import { CommandFailure, failureFrom } from './failure.ts'

/** What JSON-RPC itself answers to a method that it does not know. */
const METHOD_NOT_FOUND = -32601

export type EventHandler = (event: ControlEvent) => void

export class ControlClient {
  readonly #stream: ByteStream
  readonly #rpc: JSONRPCClient
  readonly #decoder = new JsonLineDecoder()
  #onEvent: EventHandler = () => undefined
  #closedBecause: string | undefined
  /** Resolves with the reason when the connection has ended, whoever ended it. */
  readonly closed: Promise<string>

  /** @throws CommandFailure `daemon_unreachable` when nobody answers on the path. */
  static async connect(path: string): Promise<ControlClient> {
    try {
      return new ControlClient(await connectUnix(path))
    } catch (cause) {
      const failure = failureFrom(cause)
      throw new CommandFailure(failure.kind, `${failure.message}. Is hollerd running?`, { cause })
    }
  }

  constructor(stream: ByteStream) {
    this.#stream = stream
    this.#rpc = new JSONRPCClient((request) => stream.write(encodeJsonLine(request)))
    this.closed = new Promise((resolve) => {
      stream.onClose((why) => {
        this.#closedBecause = why
        this.#rpc.rejectAllPendingRequests(why)
        resolve(why)
      })
    })
    stream.onBytes((bytes) => this.#handleBytes(bytes))
  }

  /** Asks the daemon. Without an answer after `timeoutMs` it fails with `timeout`; the daemon may still act on it. */
  async request<M extends Method>(
    method: M,
    params: Params<M>,
    timeoutMs: number,
  ): Promise<Result<M>> {
    return (await this.call(method, params, timeoutMs)) as Result<M>
  }

  /** The same for whatever method name a user types. */
  async call(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#isClosed()) throw this.#unreachable()
    const rpc = this.#rpc.timeout(timeoutMs, (id) => timedOut(id, method, timeoutMs))
    try {
      return await rpc.request(method, params)
    } catch (error) {
      throw this.#isClosed() ? this.#unreachable() : failureOf(error as JSONRPCErrorException)
    }
  }

  /** There is one handler; set it before `events.subscribe`, whose events may follow the answer at once. */
  onEvent(handler: EventHandler): void {
    this.#onEvent = handler
  }

  close(): void {
    this.#stream.close()
  }

  #handleBytes(bytes: Uint8Array): void {
    for (const line of this.#decoder.push(bytes)) {
      if (line.ok) this.#handleMessage(line.value)
      else this.#stream.destroy()
    }
  }

  #handleMessage(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    if (!('method' in message)) this.#rpc.receive(message as JSONRPCResponse)
    else if (message.method === 'event' && 'params' in message) {
      this.#onEvent(message.params as ControlEvent)
    }
  }

  #isClosed(): boolean {
    return this.#closedBecause !== undefined
  }

  #unreachable(): CommandFailure {
    const why = this.#closedBecause ?? 'not connected'
    return new CommandFailure('daemon_unreachable', `The daemon is gone: ${why}`)
  }
}

function timedOut(
  id: string | number | null,
  method: string,
  timeoutMs: number,
): JSONRPCResponse & { error: object } {
  const message = `No answer to ${method} within ${timeoutMs / 1000} s`
  const data = { kind: 'timeout', message, retryable: true, details: {} }
  return { jsonrpc: '2.0', id, error: { code: controlErrors.timeout.code, message, data } }
}

/** The daemon's error object as ours. A kind that this version does not know is told by its code alone. */
function failureOf({ code, message, data }: JSONRPCErrorException): CommandFailure {
  const told = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>
  const { kind, retryable, retry_after_ms: retryAfterMs, details } = told
  return new CommandFailure(isKind(kind) ? kind : kindOfCode(code), message, {
    retryable: retryable === true,
    ...(typeof retryAfterMs === 'number' && { retryAfterMs }),
    ...(typeof details === 'object' && { details: details as Record<string, unknown> }),
  })
}

function isKind(kind: unknown): kind is ControlErrorKind {
  return typeof kind === 'string' && Object.hasOwn(controlErrors, kind)
}

function kindOfCode(code: number): ControlErrorKind {
  if (code === METHOD_NOT_FOUND) return 'unsupported'
  const known = Object.entries(controlErrors).find(([, error]) => error.code === code)
  return isKind(known?.[0]) ? known[0] : 'internal'
}
