import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DataDirectory, LINK_FILE } from '../../src/server/data-directory.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { run, runIn } from './support/run-command-line.ts'

const ANYWHERE = ['--listen', '127.0.0.1:0', '--udp', '127.0.0.1:0', '--log-level', 'error']

describe('holler-server', () => {
  it('prints its link when it listens, and again by the subcommand', async () => {
    await inTemporaryDirectory(async (directory) => {
      const data = join(directory, 'data')

      const served = await run('--data', data, ...ANYWHERE)
      const after = await run('link', '--data', data)
      const before = await run('--data', data, 'link')

      assert.match(served.stdout, /^holler:\/\/127\.0\.0\.1:\d{2,5}\?pin=sha256-[\w-]{43}\n$/)
      assert.deepEqual(served, { status: 0, stdout: served.stdout, stderr: '' })
      assert.deepEqual(after, served)
      assert.deepEqual(before, served)
    })
  })

  it('names the public host in the link', async () => {
    await inTemporaryDirectory(async (directory) => {
      const { stdout } = await run('--data', directory, ...ANYWHERE, '--public-host', 'localhost')

      assert.match(stdout, /^holler:\/\/localhost:\d+\?pin=/)
    })
  })

  it('says what is wrong in one line, with a status of sysexits.h', async () => {
    await inTemporaryDirectory(async (directory) => {
      const foreign = ['--listen', '192.0.2.1:0', '--udp', '127.0.0.1:0']
      const wildcard = ['--udp', '0.0.0.0:0', '--udp-alt', '127.0.0.1:0']
      await new DataDirectory(directory).write('file', '')
      const cases: readonly (readonly [number, readonly string[]])[] = [
        [64, []],
        [64, ['link']],
        [64, ['--data', directory, '--listen', 'host:99999']],
        [64, ['--data', directory, '--log-level', 'loud']],
        [64, ['serve', '--data', directory]],
        [66, ['link', '--data', directory]],
        [73, ['--data', join(directory, 'file'), ...ANYWHERE]],
        [78, ['--data', directory, ...foreign, '--log-level', 'error']],
        [78, ['--data', directory, '--listen', '127.0.0.1:0', ...wildcard]],
      ]
      for (const [expected, args] of cases) {
        const { status, stdout, stderr } = await run(...args)

        assert.equal(status, expected, args.join(' '))
        assert.match(stderr, /^[^\n]+\n$/)
        assert.equal(stdout, '')
      }
      assert.equal(await new DataDirectory(directory).read(LINK_FILE), undefined)
    })
  })

  it('serves what a file and the environment say', async () => {
    await inTemporaryDirectory(async (directory) => {
      const config = join(directory, 'server.toml')
      await writeFile(config, 'listen = "127.0.0.1:0"\nudp = "127.0.0.1:0"\nlog-level = "error"\n')
      const environment = { HOLLER_SERVER_CONFIG: config, STATE_DIRECTORY: join(directory, 'data') }

      const served = await runIn(environment)
      const link = await runIn(environment, 'link')

      assert.match(served.stdout, /^holler:\/\/127\.0\.0\.1:/)
      assert.deepEqual(link, served)
    })
  })

  it('checks a configuration, and shows where each setting comes from', async () => {
    await inTemporaryDirectory(async (directory) => {
      const config = join(directory, 'server.toml')
      await writeFile(config, 'data = "/d"\nlisten = "192.0.2.1"\nudp-egress = [53, 443]\n')

      const good = await runIn({ HOLLER_SERVER_DATA: '/e' }, 'config', 'check', '--config', config)
      await writeFile(config, 'data = "/d"\nlisten = "192.0.2.1:99999"\n')
      const bad = await run('config', 'check', '--config', config)

      assert.deepEqual(good, {
        status: 0,
        stdout:
          'data = "/e"  # HOLLER_SERVER_DATA\n' +
          `listen = "192.0.2.1:7443"  # ${config}:2:1\n` +
          `udp-egress = [53,443]  # ${config}:3:1\n`,
        stderr: '',
      })
      assert.deepEqual(bad, {
        status: 78,
        stdout: '',
        stderr: `holler-server: ${config}:2:1: "listen": Expected HOST:PORT or [IPV6]:PORT.\n`,
      })
    })
  })

  it('explains itself', async () => {
    const { status, stdout } = await run('--help')

    assert.equal(status, 0)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line)
    for (const word of [
      '--data',
      '--listen',
      '--udp-alt',
      '--open-registration',
      'link',
      'Examples',
    ]) {
      assert.ok(stdout.includes(word), word)
    }
  })
})
