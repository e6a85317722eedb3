/**
 * A daemon's control socket without the daemon: a real Unix socket that speaks the schema. Parameters that the schema
 * refuses are refused here, so a command that asks wrongly fails its test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ControlErrorKind, controlErrors } from '../../../src/protocol/control/errors.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../../src/protocol/control/json-lines.ts'
import {
  type ControlEvent,
  type Method,
  methods,
  type Params,
  type Result,
} from '../../../src/protocol/control/schema.ts'

export type Handlers = {
  readonly [M in Method]?: (params: Params<M>, connection: Connection) => Result<M>
}

/** One client's connection: what a handler may do besides answering. */
export interface Connection {
  /** Sends an event after the answer. */
  announce(event: ControlEvent): void
  /** Hangs up instead of answering. */
  hangUp(): void
}

/** Thrown by a handler: the daemon's own refusal. */
export class Refusal extends Error {
  readonly kind: ControlErrorKind

  constructor(kind: ControlErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Thrown by a handler that never answers. */
export class Silence extends Error {}

export interface FakeDaemon {
  readonly path: string
  /** Every request, in order, with its parameters. */
  readonly requests: readonly { readonly method: string; readonly params: unknown }[]
  close(): Promise<void>
}

interface Request {
  readonly id: number
  readonly method: string
  readonly params: unknown
}

export async function startFakeDaemon(handlers: Handlers): Promise<FakeDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'holler-cli-'))
  const path = join(directory, 'control.sock')
  const requests: Request[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    const decoder = new JsonLineDecoder()
    socket.on('data', (bytes) => {
      for (const line of decoder.push(bytes)) {
        if (!line.ok) throw new Error(`holler sent a line that is ${line.why}`)
        requests.push(line.value as Request)
        answer(socket, line.value as Request, handlers)
      }
    })
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    path,
    requests,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
      rmSync(directory, { recursive: true })
    },
  }
}

function answer(socket: Socket, { id, method, params }: Request, handlers: Handlers): void {
  const events: ControlEvent[] = []
  const connection: Connection = {
    announce: (event) => events.push(event),
    hangUp: () => socket.destroy(),
  }
  const reply = replyTo(method, params, handlers, connection)
  if (reply === undefined || socket.destroyed) return
  socket.write(encodeJsonLine({ jsonrpc: '2.0', id, ...reply }))
  for (const event of events) {
    socket.write(encodeJsonLine({ jsonrpc: '2.0', method: 'event', params: event }))
  }
}

function replyTo(
  method: string,
  params: unknown,
  handlers: Handlers,
  connection: Connection,
): object | undefined {
  const handler = handlers[method as Method] as
    ((params: unknown, connection: Connection) => unknown) | undefined
  if (handler === undefined) return { error: { code: -32601, message: 'Method not found' } }
  const schema = methods[method as Method]
  const parsed = schema.params.safeParse(params)
  if (!parsed.success) return refused('invalid_params', parsed.error.message)
  try {
    return { result: schema.result.parse(handler(parsed.data, connection)) }
  } catch (error) {
    if (error instanceof Silence) return undefined
    if (error instanceof Refusal) return refused(error.kind, error.message)
    throw error
  }
}

function refused(kind: ControlErrorKind, message: string): object {
  const data = { kind, message, retryable: false, details: { from: 'fake' } }
  return { error: { code: controlErrors[kind].code, message, data } }
}
