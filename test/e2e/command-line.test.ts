import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Person } from '../support/household.ts'
import { runProgram } from '../support/programs.ts'
import { Playground } from './support.ts'

describe('the holler program', () => {
  let playground: Playground
  let alice: Person

  before(async () => {
    playground = await Playground.create()
    alice = await playground.person('alice')
    await alice.register((await playground.startServer()).link)
  })

  after(async () => {
    await playground.close()
  })

  for (const [what, args, message] of [
    ['an unknown command', ['statsu'], /Did you mean status\?/],
    ['an unknown option', ['status', '--jsno'], /Did you mean --json\?/],
    ['nothing to do', [], /Commands:/],
    ['nothing to send', ['send', 'bob', '-'], /Nothing to send/],
    ['no password', login(), /use --password-stdin or --password-file/],
  ] as const) {
    it(`ends with 2 and an explanation: ${what}`, async () => {
      const { code, stdout, stderr } = await alice.holler(args)

      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.match(stderr, message)
    })
  }

  it('ends with 15 for a method that is not there', async () => {
    const { code } = await alice.holler(['rpc', 'no.such.method'])

    assert.equal(code, 15)
  })

  it('ends with 2 for parameters that the daemon refuses', async () => {
    const { code, stderr } = await alice.holler(['rpc', 'message.list', '{"buddy":[]}', '--json'])

    assert.equal(code, 2)
    assert.match(stderr, /"kind":"invalid_params"/)
  })

  it('is quiet about a reader that has gone', async () => {
    const holler = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
    const command = `"$0" "$1" --help | head -1; exit "\${PIPESTATUS[0]}"`
    const shell = spawn('bash', ['-c', command, process.execPath, holler])
    let stderr = ''
    shell.stderr.on('data', (text) => (stderr += String(text)))
    const [code] = (await once(shell, 'close')) as [number]

    assert.deepEqual([code, stderr], [0, ''])
  })

  it('helps without a daemon', async () => {
    const { code, stdout } = await runProgram({
      name: 'holler',
      main: 'cli',
      args: ['send', '--help'],
    })

    assert.equal(code, 0)
    assert.match(stdout, /Examples:/)
  })

  it('tells one screen of status', async () => {
    const { code, stdout } = await alice.holler(['status'])

    assert.equal(code, 0)
    assert.match(stdout, /^account {2}alice \(\d+\)$/m)
    assert.match(stdout, /^session {2}online/m)
  })
})

function login(): readonly string[] {
  return ['account', 'login', '--server', 'holler://127.0.0.1:1', '--user', 'alice']
}
