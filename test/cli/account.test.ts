import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FakeDaemon, startFakeDaemon } from './support/fake-daemon.ts'
import { input, Keyboard, run } from './support/run.ts'

const alice = { number: 10001, handle: 'alice' }
const link = 'holler://127.0.0.1:7443'
const register = ['account', 'register', '--server', link, '--handle', 'alice']
const login = ['account', 'login', '--server', link, '--user', 'alice']

describe('holler account', () => {
  let daemon: FakeDaemon

  beforeEach(async () => {
    daemon = await startFakeDaemon({
      'account.register': () => alice,
      'account.login': () => alice,
      'account.reset': () => alice,
      'account.logout': () => ({}),
    })
  })

  afterEach(async () => {
    await daemon.close()
  })

  it('registers with a password from standard input', async () => {
    const args = [...register, '--password-stdin', '--invite', 'token']
    const { exit, stdout } = await run(args, { socket: daemon.path, stdin: input(' s3cret \n') })

    assert.equal(exit, 0)
    assert.equal(stdout, 'You are alice (10001)\n')
    assert.deepEqual(daemon.requests[0]?.params, {
      server: link,
      handle: 'alice',
      password: ' s3cret ',
      invite: 'token',
    })
  })

  it('sets a new password with a code', async () => {
    const user = ['--server', link, '--user', 'alice', '--code', 'c0de', '--password-stdin']
    const args = ['account', 'reset', ...user]
    const { exit, stdout } = await run(args, { socket: daemon.path, stdin: input('new\n') })

    assert.equal(exit, 0)
    assert.equal(stdout, 'You are alice (10001)\n')
    assert.deepEqual(daemon.requests[0]?.params, {
      server: link,
      user: 'alice',
      code: 'c0de',
      password: 'new',
    })
  })

  it('logs in with a password from a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holler-password-'))
    const file = join(directory, 'password')
    writeFileSync(file, 's3cret\r\n')

    const args = [...login, '--password-file', file, '--json']
    const { stdout } = await run(args, { socket: daemon.path })
    rmSync(directory, { recursive: true })

    assert.deepEqual(JSON.parse(stdout), alice)
    assert.deepEqual(daemon.requests[0]?.params, {
      server: link,
      user: 'alice',
      password: 's3cret',
    })
  })

  it('asks on a terminal, without showing what is typed', async () => {
    const stdin = new Keyboard()
    stdin.write('s3crex\u007ft\r')

    const { exit, stdout, stderr } = await run(login, { socket: daemon.path, stdin })

    assert.equal(exit, 0)
    assert.equal(stderr, 'Password: \n')
    assert.equal((stdout + stderr).includes('s3cret'), false)
    assert.deepEqual(stdin.modes, [true, false])
    assert.deepEqual(daemon.requests[0]?.params, {
      server: link,
      user: 'alice',
      password: 's3cret',
    })
  })

  it('asks twice for a new password, and refuses two that differ', async () => {
    const stdin = new Keyboard()
    stdin.write('one\rtwo\r')

    const { exit, stderr } = await run(register, { socket: daemon.path, stdin })

    assert.equal(exit, 2)
    assert.match(stderr, /The two passwords differ/)
    assert.deepEqual(daemon.requests, [])
  })

  it('ends as if interrupted on Ctrl-C, with the terminal as it was', async () => {
    const stdin = new Keyboard()
    stdin.write('s3c\u0003')

    const { exit } = await run(login, { socket: daemon.path, stdin })

    assert.equal(exit, 'interrupted')
    assert.deepEqual(stdin.modes, [true, false])
  })

  it('logs out', async () => {
    const { exit } = await run(['account', 'logout'], { socket: daemon.path })

    assert.equal(exit, 0)
    assert.deepEqual(daemon.requests[0]?.method, 'account.logout')
  })
})
