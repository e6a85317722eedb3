import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConfigFile, readConfigFile, readConfigFileIfThere } from '../../src/io/config-file.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

async function reading(text: string): Promise<ConfigFile> {
  let config: ConfigFile | undefined
  await inTemporaryDirectory(async (directory) => {
    const path = join(directory, 'x.toml')
    await writeFile(path, text)
    config = await readConfigFile(path)
  })
  assert.ok(config !== undefined)
  return config
}

describe('readConfigFile()', () => {
  it('knows where each key is', async () => {
    const config = await reading(
      '# data = "x"\ndata = "/d"\n\n  "log-level" = "info"\n[table]\nx = 1\n',
    )

    assert.equal(config.at('data'), `${config.path}:2:1`)
    assert.equal(config.at('log-level'), `${config.path}:4:3`)
    assert.equal(config.at('table'), `${config.path}:5:2`)
    assert.equal(config.at('nowhere'), config.path)
    assert.equal(JSON.stringify(config.values), '{"data":"/d","log-level":"info","table":{"x":1}}')
  })

  it('tells a fault with its place, and what was meant', async () => {
    const config = await reading('datta = "/d"\n')

    assert.match(
      config.unknownKey('datta', ['data', 'udp']).message,
      /:1:1: "datta": no such setting; did you mean "data"\?$/,
    )
    assert.match(config.unknownKey('datta', ['udp']).message, /no such setting; there are udp$/)
  })

  it('names line and column of what is not TOML, and of a key that is there twice', async () => {
    for (const [text, place] of [
      ['data = "/d"\nlisten = \n', /x\.toml:2:\d+: /],
      ['data = "/d"\ndata = "/e"\n', /x\.toml:2:\d+: /],
    ] as const) {
      await assert.rejects(reading(text), { code: 'CONFIG_INVALID', message: place })
    }
  })

  it('tells a file that is not there from one that cannot be read', async () => {
    await inTemporaryDirectory(async (directory) => {
      assert.equal(await readConfigFileIfThere(join(directory, 'none.toml')), undefined)
      await assert.rejects(readConfigFileIfThere(directory), {
        code: 'CONFIG_INVALID',
        message: /EISDIR/,
      })
      await assert.rejects(readConfigFile(join(directory, 'none.toml')), { message: /ENOENT/ })
    })
  })
})
