import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { Person, type Server } from '../support/household.ts'
import { runProgram } from '../support/programs.ts'
import { Playground } from './support.ts'

describe('what goes wrong is told', () => {
  let playground: Playground
  let server: Server
  let alice: Person

  before(async () => {
    playground = await Playground.create()
    server = await playground.startServer()
    alice = await playground.person('alice')
    await alice.register(server.link)
  })

  after(async () => {
    await playground.close()
  })

  async function logIn(user: string, password: string, link = server.link): Promise<Failure> {
    const carol = playground.absentPerson('carol')
    if (!isCarolUp) await carol.startDaemon()
    isCarolUp = true
    const args = ['account', 'login', '--server', link, '--user', user, '--password-stdin']
    const { code, stderr } = await carol.holler([...args, '--json'], password)
    return { code, ...errorOf(stderr) }
  }
  let isCarolUp = false

  it('a wrong password: exit status 4', async () => {
    const { code, kind } = await logIn('alice', 'not the password')

    assert.deepEqual([code, kind], [4, 'auth_failed'])
  })

  it('an unknown account, in the same words as a wrong password', async () => {
    const wrong = await logIn('alice', 'not the password')
    const unknown = await logIn('nobody', 'not the password')

    assert.deepEqual(unknown, wrong)
  })

  it('a server that is down: exit status 10', async () => {
    const port = await freePort()
    const { code, kind } = await logIn('alice', 'x', withPort(server.link, port))

    assert.deepEqual([code, kind], [10, 'server_unreachable'])
  })

  it('a link that is none: exit status 2', async () => {
    const { code, kind } = await logIn('alice', 'x', 'https://example.org')

    assert.deepEqual([code, kind], [2, 'invalid_params'])
  })

  it('another key than the link names: exit status 4', async () => {
    const { code } = await logIn('alice', 'x', server.link.replace(/.{4}$/, 'AAAA'))

    assert.equal(code, 4)
  })

  it('a handle that is taken: exit status 11', async () => {
    const dave = await playground.person('dave')
    const args = ['account', 'register', '--server', server.link, '--handle', 'alice']
    const { code, stderr } = await dave.holler(
      [...args, '--password-stdin', '--json'],
      'long enough',
    )

    assert.equal(code, 11)
    assert.equal(errorOf(stderr).kind, 'conflict')
  })

  it('a message before login: exit status 4', async () => {
    const eve = await playground.person('eve')
    const { code, stderr } = await eve.holler(['send', 'alice', 'hi', '--json'])

    assert.equal(code, 4)
    assert.equal(errorOf(stderr).kind, 'not_logged_in')
  })

  it('a message to nobody: exit status 6', async () => {
    const { code, stderr } = await alice.holler(['send', 'nobody', 'hi', '--json'])

    assert.equal(code, 6)
    assert.equal(errorOf(stderr).kind, 'not_found')
  })

  it('a daemon that is not there: exit status 3', async () => {
    const { code, stderr } = await playground.absentPerson('nobody').holler(['status'])

    assert.equal(code, 3)
    assert.match(stderr, /Is hollerd running\?/)
  })

  it('a second server on the same data', async () => {
    const { code, stderr } = await runProgram({
      name: 'second server',
      main: 'server',
      args: ['--data', playground.serverDataDir, '--listen', '127.0.0.1:0', '--udp', '127.0.0.1:0'],
    })

    assert.equal(code, EXIT.alreadyRunning)
    assert.match(stderr, /in use by another process/)
  })

  it('a server’s TCP port that is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo

    const { code, stderr } = await startServerOn(`127.0.0.1:${port}`, '127.0.0.1:0')
    holder.close()

    assert.equal(code, EXIT.portTaken)
    assert.match(stderr, new RegExp(`${port}.*(in use|taken)`))
  })

  it('a server’s UDP port that is taken', async () => {
    const holder = await takenUdpPort()

    const { code, stderr } = await startServerOn('127.0.0.1:0', `127.0.0.1:${holder.port}`)
    holder.release()

    assert.equal(code, EXIT.portTaken)
    assert.match(stderr, new RegExp(`${holder.port}.*(in use|taken)`))
  })

  it('a daemon’s UDP port that is taken', async () => {
    const holder = await takenUdpPort()
    const directory = join(playground.directory, 'frank')

    const { code, stderr } = await runProgram({
      name: 'hollerd',
      main: 'daemon',
      args: [
        ...['--state-dir', directory, '--socket', join(playground.directory, 'frank.sock')],
        ...['--bind', `127.0.0.1:${holder.port}`],
      ],
    })
    holder.release()

    assert.equal(code, EXIT.portTaken)
    assert.match(stderr, new RegExp(`${holder.port}.*(in use|taken)`))
  })

  it('a second daemon on the same state', async () => {
    const { code, stderr } = await runProgram({
      name: 'second hollerd',
      main: 'daemon',
      args: ['--state-dir', alice.stateDir, '--socket', join(playground.directory, 'second.sock')],
    })

    assert.equal(code, EXIT.alreadyRunning)
    assert.match(stderr, /already/i)
  })

  it('a second daemon on the same socket', async () => {
    const { code, stderr } = await runProgram({
      name: 'second hollerd',
      main: 'daemon',
      args: ['--state-dir', join(playground.directory, 'other'), '--socket', alice.socket],
    })

    assert.equal(code, EXIT.alreadyRunning)
    assert.match(stderr, /already/i)
  })

  for (const main of ['server', 'daemon', 'natprobe'] as const) {
    it(`an option that ${main} does not have`, async () => {
      const { code, stderr } = await runProgram({ name: main, main, args: ['--no-such-option'] })

      assert.equal(code, main === 'natprobe' ? 2 : EXIT.usage)
      assert.match(stderr, /--no-such-option/)
    })
  }

  it('and the first daemon is still well after all that', async () => {
    const { session } = await alice.request('status.get', {})

    assert.equal(session, 'online')
  })

  async function startServerOn(listen: string, udp: string): ReturnType<typeof runProgram> {
    const data = join(playground.directory, 'other-server')
    const args = ['--data', data, '--listen', listen, '--udp', udp]
    return runProgram({ name: 'server', main: 'server', args })
  }
})

/** sysexits(3): EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL. */
const EXIT = { usage: 64, portTaken: 69, alreadyRunning: 75 }

interface Failure {
  readonly code: number | null
  readonly kind: string
  readonly message: string
}

function errorOf(stderr: string): { kind: string; message: string } {
  const { error } = JSON.parse(stderr) as { error: { kind: string; message: string } }
  return { kind: error.kind, message: error.message }
}

async function freePort(): Promise<number> {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  holder.close()
  await once(holder, 'close')
  return port
}

async function takenUdpPort(): Promise<{ port: number; release: () => void }> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, release: () => socket.close() }
}

function withPort(link: string, port: number): string {
  return link.replace(/:\d+(?=\?|$)/, `:${port}`)
}
