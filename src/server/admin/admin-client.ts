/** One question to a running server, over its admin socket. */
import { HollerError } from '../../core/holler-error.ts'
import { after } from '../../core/instant.ts'
import { Alarm } from '../../io/alarm.ts'
import type { ByteStream } from '../../io/byte-stream.ts'
import { systemClock } from '../../io/system-clock.ts'
import { connectUnix } from '../../io/unix-socket.ts'
import type { ControlErrorKind } from '../../protocol/control/errors.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../protocol/control/json-lines.ts'
import type { AdminMethod, AdminParams, AdminResult } from './admin-schema.ts'

/** To delete an account with a full mailbox takes a second or two on a slow disk. */
const ANSWER_MS = 60_000

/** Why an administrator's command could not be carried out. */
export type AdminFailureKind = ControlErrorKind | 'unreachable' | 'not_permitted'

/** The message is a sentence without a full stop. */
export class AdminFailure extends Error {
  readonly kind: AdminFailureKind

  constructor(kind: AdminFailureKind, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'AdminFailure'
    this.kind = kind
  }
}

/** @throws AdminFailure */
export async function askServer<M extends AdminMethod>(
  path: string,
  method: M,
  params: AdminParams<M>,
): Promise<AdminResult<M>> {
  const stream = await connect(path)
  try {
    const request = { jsonrpc: '2.0', id: 1, method, params }
    return (await answerTo(stream, request)) as AdminResult<M>
  } finally {
    stream.close()
  }
}

async function connect(path: string): Promise<ByteStream> {
  try {
    return await connectUnix(path)
  } catch (error) {
    const cause = error instanceof HollerError ? error.cause : error
    const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'unknown reason'
    if (code === 'EACCES' || code === 'EPERM') {
      const who = 'it is for the user that the server runs as, and for root'
      throw new AdminFailure(
        'not_permitted',
        `You may not use the admin socket "${path}": ${who}`,
        error,
      )
    }
    const hint = 'does it run, and with this data directory?'
    throw new AdminFailure(
      'unreachable',
      `No holler-server answers on "${path}" (${code}): ${hint}`,
      error,
    )
  }
}

async function answerTo(stream: ByteStream, request: object): Promise<unknown> {
  const decoder = new JsonLineDecoder()
  let alarm: Alarm | undefined
  try {
    return await new Promise((resolve, reject) => {
      const lost = (why: string): void => reject(new AdminFailure('unreachable', why))
      alarm = new Alarm(systemClock, () =>
        lost(`The server gave no answer in ${ANSWER_MS / 1000} s`),
      )
      alarm.set(after(systemClock.now(), ANSWER_MS))
      stream.onClose((why) => lost(`The server went away: ${why}`))
      stream.onBytes((bytes) => {
        const [line] = decoder.push(bytes)
        if (line === undefined) return
        if (!line.ok) lost(`The server's answer makes no sense: ${line.why}`)
        else readAnswer(line.value, resolve, reject)
      })
      stream.write(encodeJsonLine(request))
    })
  } finally {
    alarm?.clear()
  }
}

function readAnswer(
  value: unknown,
  resolve: (result: unknown) => void,
  reject: (failure: AdminFailure) => void,
): void {
  const { result, error } = value as { result?: unknown; error?: RpcError }
  if (error === undefined) resolve(result)
  else reject(new AdminFailure(error.data?.kind ?? 'internal', error.message))
}

interface RpcError {
  readonly message: string
  readonly data?: { readonly kind: ControlErrorKind }
}
