import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSettings } from '../../src/daemon/options.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

const VERSION = '1.2.3'
const HOME = { HOME: '/home/alice', XDG_CONFIG_HOME: '/nonexistent' }

describe('readSettings()', () => {
  it('has defaults by XDG for a user', async () => {
    const settings = await readSettings([], { ...HOME, XDG_RUNTIME_DIR: '/run/user/1' }, VERSION)

    assert.deepEqual(settings, {
      stateDirectory: '/home/alice/.local/state/holler',
      socketPath: '/run/user/1/holler/control.sock',
      mapsPorts: true,
      guessesPorts: true,
      logLevel: 'info',
      logFormat: 'text',
    })
  })

  it('has systemd’s directories for a service, the first where there are several', async () => {
    const environment = { STATE_DIRECTORY: '/var/lib/holler:/x', RUNTIME_DIRECTORY: '/run/holler' }
    const settings = await readSettings([], environment, VERSION)

    assert.equal(settings.stateDirectory, '/var/lib/holler')
    assert.equal(settings.socketPath, '/run/holler/control.sock')
  })

  it('has the system’s places where the environment names none', async () => {
    const settings = await readSettings([], {}, VERSION)

    assert.equal(settings.stateDirectory, '/var/lib/holler')
    assert.equal(settings.socketPath, '/run/holler/control.sock')
  })

  it('lets flags win over the environment, and that over a file', async () => {
    await inTemporaryDirectory(async (directory) => {
      const config = join(directory, 'hollerd.toml')
      await writeFile(config, 'socket = "/file"\nstate-dir = "/file"\nlog-level = "debug"\n')
      const environment = { ...HOME, HOLLER_SOCKET: '/environment' }

      const settings = await readSettings(
        ['--config', config, '--state-dir', '/flag'],
        environment,
        VERSION,
      )

      assert.equal(settings.stateDirectory, '/flag')
      assert.equal(settings.socketPath, '/environment')
      assert.equal(settings.logLevel, 'debug')
    })
  })

  it('asks no router for a port where it must not, whoever says so', async () => {
    await inTemporaryDirectory(async (directory) => {
      const config = join(directory, 'c.toml')
      await writeFile(config, 'port-mapping = false\n')

      const byFile = await readSettings(['--config', config], HOME, VERSION)
      const byFlag = await readSettings(['--no-port-mapping'], HOME, VERSION)

      assert.deepEqual([byFile.mapsPorts, byFlag.mapsPorts], [false, false])
    })
  })

  it('guesses no ports where it must not, whoever says so', async () => {
    await inTemporaryDirectory(async (directory) => {
      const config = join(directory, 'c.toml')
      await writeFile(config, 'port-guessing = false\n')

      const byFile = await readSettings(['--config', config], HOME, VERSION)
      const byFlag = await readSettings(['--no-port-guessing'], HOME, VERSION)

      assert.deepEqual([byFile.guessesPorts, byFlag.guessesPorts], [false, false])
    })
  })

  it('finds the user’s file by itself', async () => {
    await inTemporaryDirectory(async (directory) => {
      await mkdir(join(directory, 'holler'))
      await writeFile(join(directory, 'holler', 'hollerd.toml'), 'log-format = "json"\n')

      const settings = await readSettings([], { XDG_CONFIG_HOME: directory }, VERSION)

      assert.equal(settings.logFormat, 'json')
    })
  })

  for (const [text, bind] of [
    ['192.0.2.1', { address: '192.0.2.1', port: 0 }],
    ['192.0.2.1:5000', { address: '192.0.2.1', port: 5000 }],
    ['2001:db8::1', { address: '2001:db8::1', port: 0 }],
    ['[2001:db8::1]', { address: '2001:db8::1', port: 0 }],
    ['[2001:DB8:0::1]:5000', { address: '2001:db8::1', port: 5000 }],
  ] as const) {
    it(`reads --bind ${text}`, async () => {
      const settings = await readSettings(['--bind', text], HOME, VERSION)

      assert.deepEqual(settings.bind, bind)
    })
  }

  for (const [name, content, message] of [
    [
      'an unknown key',
      'sokcet = "/x"',
      /hollerd.toml:1:1: "sokcet": no such setting; did you mean "socket"\?/,
    ],
    ['a wrong value', 'log-level = "loud"', /"log-level": /],
    ['a wrong type', 'socket = 5', /"socket": /],
    ['a bad address', 'bind = "example.org"', /"bind": "example.org" is not ADDRESS/],
    ['what is not TOML', 'socket =', /:1:/],
  ] as const) {
    it(`names ${name} in a file`, async () => {
      await inTemporaryDirectory(async (directory) => {
        const config = join(directory, 'hollerd.toml')
        await writeFile(config, content)

        await assert.rejects(readSettings(['--config', config], HOME, VERSION), {
          code: 'CONFIG_INVALID',
          message,
        })
      })
    })
  }

  it('refuses a file that is named and not there', async () => {
    await assert.rejects(readSettings(['--config', '/nonexistent'], HOME, VERSION), {
      code: 'CONFIG_INVALID',
      message: /"\/nonexistent": ENOENT/,
    })
  })
})
