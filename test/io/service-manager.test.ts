import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Logger, silentLogger } from '../../src/core/logger.ts'
import { ServiceManager } from '../../src/io/service-manager.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'

describe('ServiceManager', () => {
  it('tells systemd through its own tool', async () => {
    await inTemporaryDirectory(async (directory) => {
      const tool = '#!/bin/sh\nprintf "%s\\n" "$NOTIFY_SOCKET" "$@" > told\n'
      await writeFile(
        join(directory, 'systemd-notify'),
        tool.replace('told', join(directory, 'told')),
        {
          mode: 0o755,
        },
      )
      const environment = { NOTIFY_SOCKET: '/run/notify', PATH: directory }

      await new ServiceManager(environment, silentLogger).tell('READY=1', 'STATUS=online')

      assert.equal(
        await readFile(join(directory, 'told'), 'utf8'),
        '/run/notify\nREADY=1\nSTATUS=online\n',
      )
    })
  })

  it('does nothing where nobody asked', async () => {
    await new ServiceManager({ PATH: '/nonexistent' }, failingLogger).tell('READY=1')
  })

  it('goes on where the tool is missing', async () => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }

    await new ServiceManager({ NOTIFY_SOCKET: '/x', PATH: '/nonexistent' }, logger).tell('READY=1')

    assert.deepEqual(warnings, ['Cannot run systemd-notify'])
  })
})

const failingLogger: Logger = {
  ...silentLogger,
  warn: (message) => assert.fail(message),
}
