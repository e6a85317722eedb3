/** One question to `hollerd`, over its control socket; `undefined` where there is no daemon, or no such answer. */
import { controlSocketPath } from '../../io/control-socket-path.ts'
import { connectUnix } from '../../io/unix-socket.ts'
import { encodeJsonLine, JsonLineDecoder } from '../../protocol/control/json-lines.ts'

const PATIENCE_MS = 2_000

export async function askDaemon(
  method: string,
  params: object,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const stream = await connectUnix(controlSocketPath(undefined, env)).catch(() => undefined)
  if (stream === undefined) return undefined
  const decoder = new JsonLineDecoder()
  return await new Promise((resolve) => {
    const end = (result: Readonly<Record<string, unknown>> | undefined): void => {
      clearTimeout(timer)
      stream.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => end(undefined), PATIENCE_MS)
    stream.onClose(() => end(undefined))
    stream.onBytes((bytes) => {
      for (const line of decoder.push(bytes)) {
        if (line.ok && isRecord(line.value) && line.value['id'] === 1) {
          const { result } = line.value
          end(isRecord(result) ? result : undefined)
        }
      }
    })
    stream.write(encodeJsonLine({ jsonrpc: '2.0', id: 1, method, params }))
  })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
