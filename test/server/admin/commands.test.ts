import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../../src/core/logger.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { connectUnix } from '../../../src/io/unix-socket.ts'
import { runCommandLine } from '../../../src/server/command-line.ts'
import { type RunningServer, startServer } from '../../../src/server/server.ts'
import { inTemporaryDirectory } from '../../support/temporary-directory.ts'
import { RealClient, register } from '../support/real-client.ts'

const PASSWORD = 'correct horse battery staple'

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function run(...args: readonly string[]): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  const status = await runCommandLine(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    environment: {},
    ending: () => Promise.resolve('SIGTERM'),
    onReload: () => undefined,
  })
  return { status, stdout, stderr }
}

/** A server in a directory of its own, and the commands of its administrator. */
async function withServer(
  use: (
    server: RunningServer,
    admin: (...args: readonly string[]) => Promise<Ran>,
    directory: string,
  ) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    const address = { host: '127.0.0.1', port: 0 }
    const server = await startServer({
      dataDirectory: directory,
      listen: address,
      udp: address,
      isRegistrationOpen: false,
      adminSocket: join(directory, 'admin.sock'),
      version: '1.2.3',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    })
    try {
      await use(server, (...args) => run(...args, '--data', directory), directory)
    } finally {
      await server.close()
    }
  })
}

function json(ran: Ran): unknown {
  assert.equal(ran.stderr, '')
  return JSON.parse(ran.stdout)
}

describe('the administrator of holler-server', () => {
  it('invites somebody, looks after the account, and deletes it', async () => {
    await withServer(async (server, admin) => {
      const empty = await admin('account', 'list')
      const { token } = json(await admin('invite', 'create', '--json')) as { token: string }
      const closed = await register(server.link, 'alice', PASSWORD)
      const made = await register(server.link, 'alice', PASSWORD, token)
      const used = await register(server.link, 'bob', PASSWORD, token)
      const list = await admin('account', 'list')
      const show = json(await admin('account', 'show', 'alice', '--json')) as { number: number }
      const invites = await admin('invite', 'list')
      const disabled = await admin('account', 'disable', 'alice')
      const enabled = await admin('account', 'enable', '10001')
      const careful = await admin('account', 'delete', 'alice')
      const deleted = await admin('account', 'delete', 'alice', '--yes')

      assert.equal(empty.stdout, 'There are no accounts yet\n')
      assert.ok(closed.kind === 'refused' && closed.code === 'registration-closed')
      assert.equal(made.kind, 'registered')
      assert.ok(used.kind === 'refused' && used.code === 'invite-invalid')
      assert.match(list.stdout, /^10001 {2}alice {2}offline {2}since \d{4}-\d\d-\d\d\n$/)
      assert.equal(show.number, 10_001)
      assert.match(invites.stdout, /^[0-9a-f]{8} {2}used-up {2}1 of 1 used {2}expires /)
      assert.equal(disabled.stdout, 'alice (10001) is disabled\n')
      assert.equal(enabled.stdout, 'alice (10001) is offline\n')
      assert.equal(careful.status, 64)
      assert.match(careful.stderr, /cannot be undone.*--yes/)
      assert.equal(deleted.stdout, 'alice (10001) is deleted, and gone from 0 lists\n')
    })
  })

  it('gives a new password to who has lost it, and says how', async () => {
    await withServer(async (server, admin) => {
      const { token } = json(await admin('invite', 'create', '--json')) as { token: string }
      await register(server.link, 'alice', PASSWORD, token)

      const reset = await admin('account', 'reset', 'alice', '--expires', '2h')

      const command = /holler account reset --server '(.*)' --user alice --code (\S+)/.exec(
        reset.stdout,
      )
      assert.equal(command?.[1], server.link)
      assert.match(command[2] ?? '', /^[0-9A-Z-]{29}$/)
    })
  })

  it('is told in one line what went wrong, with a status of sysexits.h', async () => {
    await withServer(async (_server, admin) => {
      const cases: readonly (readonly [number, RegExp, readonly string[]])[] = [
        [66, /There is no account "nobody"/, ['account', 'show', 'nobody']],
        [66, /No invitation "abc"/, ['invite', 'revoke', 'abc']],
        [64, /missing required argument 'account'/, ['account', 'disable']],
        [64, /Expected a number and s, m, h or d/, ['invite', 'create', '--expires', 'soon']],
        [64, /Expected a number from 1/, ['invite', 'create', '--uses', '0']],
        [64, /unknown command 'lst'/, ['account', 'lst']],
      ]
      for (const [status, message, args] of cases) {
        const ran = await admin(...args)

        assert.equal(ran.status, status, args.join(' '))
        assert.match(ran.stderr, message)
        assert.equal(ran.stdout, '')
      }
    })
  })

  it('learns that no server runs, or that it may not', async () => {
    await inTemporaryDirectory(async (directory) => {
      const none = await run('account', 'list', '--data', directory)
      const nowhere = await run('account', 'list')
      const long = join(directory, 'x'.repeat(120))
      const served = await run(
        '--data',
        long,
        '--listen',
        '127.0.0.1:0',
        '--udp',
        '127.0.0.1:0',
        '--log-level',
        'error',
      )

      assert.equal(none.status, 69)
      assert.match(
        none.stderr,
        /^holler-server: No holler-server answers on ".*admin\.sock" \(ENOENT\): does it run/,
      )
      assert.equal(nowhere.status, 64)
      assert.match(nowhere.stderr, /No data directory is named: --data/)
      assert.equal(served.status, 78)
      assert.match(served.stderr, /longer than the 107 bytes/)
    })
  })

  it('alone may connect, and whatever is written to the socket harms nobody else', async () => {
    await withServer(async (server, admin, directory) => {
      const path = join(directory, 'admin.sock')
      const stream = await connectUnix(path)
      const answers: string[] = []
      const ended = new Promise<void>((resolve) => stream.onClose(() => resolve()))
      stream.onBytes((bytes) => answers.push(Buffer.from(bytes).toString()))
      const lines = ['not JSON', '[]', '{"jsonrpc":"2.0","id":1,"method":"no.such"}', '\xff']
      const wrong = '{"jsonrpc":"2.0","id":2,"method":"account.show","params":{"name":[]}}'
      for (const line of [...lines, wrong, 'x'.repeat(1_100_000)]) {
        stream.write(Buffer.from(`${line}\n`, 'latin1'))
      }
      stream.close()
      await ended

      const { stdout } = await admin('stats')

      assert.equal((await stat(path)).mode & 0o777, 0o600)
      assert.match(stdout, /^version +1\.2\.3\n/)
      assert.ok(stdout.includes(server.link))
      assert.ok(answers.length <= 6)
    })
  })

  it('drains: clients are told when to come back, and the server ends', async () => {
    await withServer(async (server, admin) => {
      const { token } = json(await admin('invite', 'create', '--json')) as { token: string }
      await register(server.link, 'alice', PASSWORD, token)
      const client = new RealClient(server.link, 'alice', PASSWORD)
      await client.next('welcome', (event) => (event.kind === 'online' ? event : undefined))

      const drained = await admin('drain', '--after', '2s', '--spread', '30s')

      const offline = await client.next('goodbye', (event) =>
        event.kind === 'offline' ? event : undefined,
      )
      await server.drained
      client.stop()
      assert.equal(drained.stdout, '1 sessions were sent away, to come back within 30 s\n')
      assert.equal(offline.why, 'restarting')
      assert.ok(offline.retryInMs >= 2_000 && offline.retryInMs < 32_000)
      await assert.rejects(async () => {
        const late = await register(server.link, 'bob', PASSWORD, token)
        throw new Error(late.kind)
      }, /failed/)
    })
  })
})
