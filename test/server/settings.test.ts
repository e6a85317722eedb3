import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  changedForNextStart,
  readSettings,
  serverSettings,
  SETTING_KEYS,
  type Settings,
  variableOf,
} from '../../src/server/settings.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

/** What a file of this text, flags and environment amount to; the file is `server.toml`. */
async function reading(
  text: string,
  { flags = {}, environment = {} }: Partial<Parameters<typeof readSettings>[0]> = {},
): Promise<Settings> {
  let settings: Settings | undefined
  await inTemporaryDirectory(async (directory) => {
    const config = join(directory, 'server.toml')
    await writeFile(config, text)
    settings = await readSettings({ flags, environment, config })
  })
  assert.ok(settings !== undefined)
  return settings
}

describe('readSettings() of holler-server', () => {
  it('lets flags win over the environment, that over a file, and that over a default', async () => {
    const { values, sources } = await reading(
      'data = "/file"\nlog-level = "debug"\nmetrics = "127.0.0.1:1"\n',
      {
        flags: { data: '/flag' },
        environment: {
          HOLLER_SERVER_DATA: '/environment',
          HOLLER_SERVER_METRICS: '127.0.0.1:2',
          STATE_DIRECTORY: '/state:/other',
        },
      },
    )

    const settings = serverSettings({ values, sources })

    assert.equal(settings.data, '/flag')
    assert.deepEqual(settings.metrics, { host: '127.0.0.1', port: 2 })
    assert.equal(settings.logLevel, 'debug')
    assert.deepEqual(settings.listen, { host: '0.0.0.0', port: 7443 })
    assert.equal(settings.adminSocket, '/flag/admin.sock')
    assert.equal(sources.data, '--data')
    assert.equal(sources.metrics, 'HOLLER_SERVER_METRICS')
  })

  it('takes each setting from the environment, a no as well', async () => {
    const environment = {
      HOLLER_SERVER_OPEN_REGISTRATION: 'false',
      HOLLER_SERVER_UDP_EGRESS: '53,443',
      HOLLER_SERVER_CERT: '/c',
      HOLLER_SERVER_KEY: '/k',
    }

    const settings = serverSettings(
      await reading('data = "/d"\nopen-registration = true', { environment }),
    )

    assert.equal(settings.isRegistrationOpen, false)
    assert.deepEqual(settings.udpEgress, [53, 443])
    assert.deepEqual(settings.certificate, { certificateFile: '/c', keyFile: '/k' })
  })

  for (const [name, text, message] of [
    [
      'an unknown key',
      'data = "/d"\nlog_level = "info"',
      /\.toml:2:1: "log_level": no such setting; did you mean "log-level"\?/,
    ],
    ['a table', 'data = "/d"\n[listen]\nhost = "x"', /\.toml:2:2: "listen": Expected HOST:PORT/],
    [
      'a wrong type',
      'open-registration = "yes"',
      /\.toml:1:1: "open-registration": Expected true or false/,
    ],
    [
      'a word that is none',
      'log-level = "loud"',
      /\.toml:1:1: "log-level": Expected one of debug, info, warn, error/,
    ],
    ['an impossible port', 'udp = "1.2.3.4:70000"', /\.toml:1:1: "udp": Expected HOST:PORT/],
    [
      'ports that are none',
      'udp-egress = [53, -1]',
      /\.toml:1:1: "udp-egress": Expected at most 12 ports/,
    ],
    ['what is not TOML', 'data = /d', /\.toml:1:\d+: /],
  ] as const) {
    it(`names place and remedy of ${name}`, async () => {
      await assert.rejects(reading(text), { code: 'CONFIG_INVALID', message })
    })
  }

  it('names the variable that is wrong', async () => {
    await assert.rejects(reading('', { environment: { HOLLER_SERVER_LISTEN: 'x:y' } }), {
      code: 'CONFIG_INVALID',
      message: 'HOLLER_SERVER_LISTEN="x:y": Expected HOST:PORT or [IPV6]:PORT.',
    })
  })

  it('needs certificate and key together', async () => {
    const settings = await reading('data = "/d"\ncert = "/c"\n')

    assert.throws(() => serverSettings(settings), {
      code: 'CONFIG_INVALID',
      message: /server\.toml:2:1: "cert" needs "key" beside it/,
    })
  })

  it('knows what waits for the next start', async () => {
    const before = await reading('data = "/d"\nopen-registration = true\n')
    const after = await reading('data = "/d"\nlisten = "[::]:1"\nlog-level = "warn"\n')

    assert.deepEqual(changedForNextStart(before.values, after.values), ['listen'])
  })

  it('has each of its settings described for operators', async () => {
    const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')

    for (const key of SETTING_KEYS) assert.ok(page.includes(`\`--${key}\``), `--${key}`)
    assert.ok(page.includes(variableOf('udp-alt')))
  })
})
