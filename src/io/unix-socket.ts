/** Unix stream sockets: the control socket's two ends. */
import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { createConnection, createServer, type Server } from 'node:net'
import { HollerError } from '../core/holler-error.ts'
import { type ByteStream, byteStream } from './byte-stream.ts'

/** `sun_path` of Linux, without its end; longer ones would be cut off silently. */
const MOST_PATH_BYTES = 107

export interface ListenUnix {
  readonly path: string
  /** The socket file's permissions, for example 0o660: connecting takes write permission. */
  readonly mode: number
  readonly onStream: (stream: ByteStream) => void
}

/**
 * Listens on a path. A socket file left behind by a dead process is removed, one that somebody answers on is not.
 *
 * @throws HollerError `ALREADY_RUNNING` when somebody answers there, `CONFIG_INVALID` when the path cannot be used.
 */
export async function listenUnix(options: ListenUnix): Promise<{ close(): Promise<void> }> {
  if (Buffer.byteLength(options.path) > MOST_PATH_BYTES) {
    const why = `longer than the ${MOST_PATH_BYTES} bytes that the system allows`
    throw new HollerError('CONFIG_INVALID', `Cannot make the socket "${options.path}": ${why}`)
  }
  await removeStale(options.path)
  const server = createServer({ allowHalfOpen: true }, (socket) =>
    options.onStream(byteStream(socket)),
  )
  // The mode is set by the umask while binding: after a chmod, a moment would remain in which anybody may connect.
  const umask = process.umask(0o777 & ~options.mode)
  try {
    server.listen(options.path)
  } finally {
    process.umask(umask)
  }
  try {
    await once(server, 'listening')
  } catch (error) {
    throw unusable(options.path, error)
  }
  server.on('error', () => undefined) // EMFILE while accepting: those clients try again
  return { close: () => closed(server) }
}

/** @throws HollerError `DAEMON_UNREACHABLE` when nobody answers on the path. */
export async function connectUnix(path: string): Promise<ByteStream> {
  const socket = createConnection({ path, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new HollerError('DAEMON_UNREACHABLE', `No daemon answers on "${path}" (${code})`, {
      cause: error,
    })
  }
  return byteStream(socket)
}

async function removeStale(path: string): Promise<void> {
  // Connecting to an ordinary file is refused as well, and that file is not ours to remove.
  const isSocket = await lstat(path).then(
    (file) => file.isSocket(),
    () => false,
  )
  if (!isSocket) return
  const socket = createConnection({ path })
  try {
    await once(socket, 'connect')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ECONNREFUSED') await unlink(path)
    return
  }
  socket.destroy()
  throw new HollerError('ALREADY_RUNNING', `Somebody already answers on "${path}"`)
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}

function unusable(path: string, error: unknown): HollerError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
  return new HollerError('CONFIG_INVALID', `Cannot make the socket "${path}": ${code}`, {
    cause: error,
  })
}
