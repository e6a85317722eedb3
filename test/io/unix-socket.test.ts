import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { connectUnix, listenUnix } from '../../src/io/unix-socket.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

describe('listenUnix()', () => {
  it('carries bytes both ways and tells each side of the end', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control.sock')
      const listener = await listenUnix({
        path,
        mode: 0o660,
        onStream: (stream) => {
          stream.onBytes((bytes) => stream.write(Buffer.from(bytes).reverse()))
          stream.onEnd(() => stream.close())
        },
      })
      const client = await connectUnix(path)

      const answer = await new Promise<string>((resolve) => {
        client.onBytes((bytes) => resolve(Buffer.from(bytes).toString()))
        client.write(Buffer.from('abc'))
      })
      const why = new Promise<string>((resolve) => client.onClose(resolve))
      client.close()

      assert.equal(answer, 'cba')
      assert.equal(await why, 'closed here')
      await listener.close()
    })
  })

  it('gives the socket file its mode from the first moment', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control.sock')
      const listener = await listenUnix({
        path,
        mode: 0o600,
        onStream: (stream) => stream.destroy(),
      })

      assert.equal((await stat(path)).mode & 0o777, 0o600)
      await listener.close()
    })
  })

  it('takes over a dead process’s socket but not a living one’s', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control.sock')
      await leaveStaleSocket(path)

      const listener = await listenUnix({
        path,
        mode: 0o660,
        onStream: (stream) => stream.destroy(),
      })

      await assert.rejects(
        listenUnix({ path, mode: 0o660, onStream: (stream) => stream.destroy() }),
        { code: 'ALREADY_RUNNING' },
      )
      await listener.close()
    })
  })

  it('leaves an ordinary file alone', async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'control.sock')
      await writeFile(path, 'precious')

      await assert.rejects(
        listenUnix({ path, mode: 0o660, onStream: (stream) => stream.destroy() }),
        { code: 'CONFIG_INVALID', message: /EADDRINUSE/ },
      )
    })
  })
})

describe('connectUnix()', () => {
  it('says that no daemon answers', async () => {
    await assert.rejects(connectUnix('/nonexistent/control.sock'), {
      code: 'DAEMON_UNREACHABLE',
      message: 'No daemon answers on "/nonexistent/control.sock" (ENOENT)',
    })
  })
})

async function leaveStaleSocket(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await promisify(execFile)(process.execPath, ['-e', script]).catch(() => undefined)
  // It must really be there: a server on top of it fails.
  const probe = createServer().listen(path)
  await once(probe, 'error')
}
