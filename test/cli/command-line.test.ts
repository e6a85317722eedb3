import assert from 'node:assert/strict'
import { type FakeDaemon, Refusal, Silence, startFakeDaemon } from './support/fake-daemon.ts'
import { ClosedPipe, run } from './support/run.ts'
import { runHoller } from '../../src/cli/program.ts'
import { Readable } from 'node:stream'
import { type ControlErrorKind, controlErrors } from '../../src/protocol/control/errors.ts'

describe('holler: the command line', () => {
  const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown command, with the one that was meant', ['statsu'], /Did you mean status\?/],
    ['an unknown command of a group', ['buddy', 'lst'], /Did you mean list\?/],
    ['an unknown option', ['status', '--jsn'], /Did you mean --json\?/],
    ['a missing argument', ['send'], /missing required argument 'buddy'/],
    ['a missing option', ['account', 'login', '--server', 'x'], /--user <name>' not specified/],
    ['one argument too many', ['net', 'path', 'bob', 'carol'], /too many arguments/],
    ['a state that there is not', ['presence', 'sleepy'], /Allowed choices are online, away/],
    ['a duration that there is not', ['status', '--timeout', 'soon'], /Examples: 500ms, 30s/],
    ['a count that there is not', ['history', 'bob', '-n', '0'], /from 1 to 1000/],
    ['an empty type', ['events', '--types', 'a,,b'], /For example message\.received/],
    ['an acknowledgement of nobody', ['events', '--since', 'ack'], /--since ack needs --name/],
    ['now without --follow', ['events', '--since', 'now'], /--since now needs --follow/],
    ['parameters that are not JSON', ['rpc', 'status.get', '{'], /not JSON/],
    ['an empty message', ['send', 'bob', ''], /the text is empty/],
    ['two passwords at once', passwordTwice(), /cannot be used with/],
    ['no terminal for a password', login(), /No terminal to ask for the password/],
    ['no such password file', [...login(), '--password-file', '/no/such'], /ENOENT/],
  ]
  for (const [what, args, message] of mistakes) {
    it(`tells ${what}, exit status 2`, async () => {
      const { exit, stdout, stderr } = await run([...args, '--socket', '/nowhere'])

      assert.equal(exit, 2)
      assert.equal(stdout, '')
      assert.match(stderr, message)
    })
  }

  it('tells a mistake in JSON where JSON is wanted', async () => {
    const { exit, stderr } = await run(['statsu', '--json'])

    assert.equal(exit, 2)
    const { error } = JSON.parse(stderr) as { error: { kind: string; exit: number } }
    assert.equal(error.kind, 'usage')
    assert.equal(error.exit, 2)
  })

  it('explains itself with nothing to do: help on stderr, exit status 2', async () => {
    const { exit, stdout, stderr } = await run([])

    assert.equal(exit, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /Commands:/)
  })

  for (const args of [
    ['--help'],
    ['help', 'send'],
    ['events', '--help'],
    ['buddy', 'policy', '-h'],
  ]) {
    it(`helps with examples: holler ${args.join(' ')}`, async () => {
      const { exit, stdout } = await run(args)

      assert.equal(exit, 0)
      assert.match(stdout, /Examples:\n {2}holler /)
    })
  }

  it('tells its version', async () => {
    const { exit, stdout } = await run(['--version'])

    assert.equal(exit, 0)
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })

  it('tells that no daemon answers, exit status 3', async () => {
    const { exit, stderr } = await run(['status'], { socket: '/nowhere/control.sock' })

    assert.equal(exit, 3)
    assert.match(stderr, /No daemon answers on "\/nowhere\/control\.sock".*Is hollerd running\?/)
  })

  it('looks for the user’s own daemon, then for the system’s', async () => {
    const { stderr } = await run(['status'], { env: { XDG_RUNTIME_DIR: '/nowhere' } })

    assert.match(stderr, /"\/run\/holler\/control\.sock"/)
  })
})

describe('holler: the daemon’s refusals', () => {
  let daemon: FakeDaemon | undefined

  afterEach(async () => {
    await daemon?.close()
  })

  for (const [kind, { exit: status }] of Object.entries(controlErrors)) {
    it(`ends with ${status} for ${kind}`, async () => {
      daemon = await startFakeDaemon({
        'net.path': () => {
          throw new Refusal(kind as ControlErrorKind, `No: ${kind}`)
        },
      })

      const { exit, stderr } = await run(['net', 'path', 'bob', '--json'], { socket: daemon.path })

      assert.equal(exit, status)
      const { error } = JSON.parse(stderr) as { error: Record<string, unknown> }
      assert.deepEqual(error, {
        kind,
        message: `No: ${kind}`,
        exit: status,
        retryable: false,
        details: { from: 'fake' },
      })
    })
  }

  it('shows what a peer put into an error message without obeying it', async () => {
    daemon = await startFakeDaemon({
      'net.path': () => {
        throw new Refusal('not_found', 'No buddy "\u001b[2J"')
      },
    })

    const { stderr } = await run(['net', 'path', 'bob'], { socket: daemon.path })

    assert.equal(stderr, 'holler: No buddy "\\x1b[2J"\n')
  })

  it('ends with 15 for a method that the daemon does not have', async () => {
    daemon = await startFakeDaemon({})

    const { exit } = await run(['rpc', 'no.such'], { socket: daemon.path })

    assert.equal(exit, 15)
  })

  it('ends with 7 when the answer does not come in time', async () => {
    daemon = await startFakeDaemon({
      'status.get': () => {
        throw new Silence()
      },
    })

    const { exit, stderr } = await run(['status', '--timeout', '50ms'], { socket: daemon.path })

    assert.equal(exit, 7)
    assert.match(stderr, /No answer to status\.get within 0\.05 s/)
  })

  it('ends with 3 when the daemon hangs up instead of answering', async () => {
    daemon = await startFakeDaemon({
      'buddy.list': (_params, connection) => {
        connection.hangUp()
        return []
      },
    })

    const { exit, stderr } = await run(['buddy', 'list'], { socket: daemon.path })

    assert.equal(exit, 3)
    assert.match(stderr, /The daemon is gone/)
  })

  it('ends quietly when its reader has gone away', async () => {
    daemon = await startFakeDaemon({ 'buddy.list': () => [] })

    const exit = await runHoller(['buddy', 'list'], {
      env: { HOLLER_SOCKET: daemon.path },
      stdin: Readable.from([]),
      stdout: new ClosedPipe(),
      stderr: new ClosedPipe(),
    })

    assert.equal(exit, 0)
  })
})

function login(): string[] {
  return ['account', 'login', '--server', 'holler://127.0.0.1:1', '--user', 'alice']
}

function passwordTwice(): string[] {
  return [...login(), '--password-stdin', '--password-file', '/no/such']
}
