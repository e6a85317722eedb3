/** One question to `hollerd`, over its control socket. */
import { controlSocketPath } from '../../io/control-socket-path.ts'
import { connectUnix } from '../../io/unix-socket.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../protocol/control/json-lines.ts'

const PATIENCE_MS = 2_000

export type DaemonAnswer =
  | { readonly kind: 'answered'; readonly result: Readonly<Record<string, unknown>> }
  /** `why`: for people. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No daemon, or it said nothing in time. */
  | { readonly kind: 'nobody' }

export async function askDaemon(
  method: string,
  params: object,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DaemonAnswer> {
  const stream = await connectUnix(controlSocketPath(undefined, env)).catch(() => undefined)
  if (stream === undefined) return { kind: 'nobody' }
  const decoder = new JsonLineDecoder()
  return await new Promise((resolve) => {
    const end = (answer: DaemonAnswer): void => {
      clearTimeout(timer)
      stream.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ kind: 'nobody' }), PATIENCE_MS)
    stream.onClose(() => end({ kind: 'nobody' }))
    stream.onBytes((bytes) => {
      for (const line of decoder.push(bytes)) {
        if (line.ok && isRecord(line.value) && line.value['id'] === 1) {
          end(answerIn(line.value))
        }
      }
    })
    stream.write(encodeJsonLine({ jsonrpc: '2.0', id: 1, method, params }))
  })
}

/** JSON-RPC 2.0 §5. */
function answerIn({ result, error }: Readonly<Record<string, unknown>>): DaemonAnswer {
  if (isRecord(result)) return { kind: 'answered', result }
  const message = isRecord(error) ? error['message'] : undefined
  return { kind: 'refused', why: typeof message === 'string' ? message : 'no reason given' }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
