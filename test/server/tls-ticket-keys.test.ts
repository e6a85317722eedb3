import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../src/core/logger.ts'
import { DataDirectory } from '../../src/server/data-directory.ts'
import type { Outside } from '../../src/server/outside.ts'
import { TlsTicketKeys } from '../../src/server/tls-ticket-keys.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { ManualTime } from './support/manual-time.ts'
import { countingRandom } from './support/test-server.ts'

const DAY_MS = 24 * 60 * 60 * 1000

describe('TlsTicketKeys', () => {
  it('are the same for days, over restarts; then others, as when the file is damaged', async () => {
    await inTemporaryDirectory(async (path) => {
      const directory = new DataDirectory(path)
      const time = new ManualTime()
      const outside = outsideAt(time)
      const keysNow = async (): Promise<Uint8Array> =>
        (await TlsTicketKeys.open(directory, outside)).settings.keys

      const first = await keysNow()
      await time.pass(6 * DAY_MS - 1)
      const same = await keysNow()
      await time.pass(1)
      const next = await keysNow()
      await directory.write('tls-ticket-keys', '{"madeAtMs":1,"keys":"AAAA"}')
      const anew = await keysNow()

      assert.equal(first.length, 48)
      assert.deepEqual(same, first)
      assert.notDeepEqual(next, first)
      assert.notDeepEqual(anew, next)
      assert.equal((await stat(join(path, 'tls-ticket-keys'))).mode & 0o777, 0o600)
    })
  })

  it('are looked after while the server runs', async () => {
    await inTemporaryDirectory(async (path) => {
      const time = new ManualTime()
      const tickets = await TlsTicketKeys.open(new DataDirectory(path), outsideAt(time))
      let given = tickets.settings.keys
      let onGiven: () => void = () => undefined
      const isGiven = (): Promise<void> => new Promise((resolve) => (onGiven = resolve))
      const end = tickets.renewFor({
        setTicketKeys: (keys) => {
          given = keys
          onGiven()
        },
      })

      const first = isGiven()
      await time.pass(DAY_MS)
      await first
      const afterADay = given
      await writeFile(join(path, 'tls-ticket-keys'), 'damaged')
      const second = isGiven()
      await time.pass(DAY_MS)
      await second
      end()
      await time.pass(30 * DAY_MS)

      assert.deepEqual(afterADay, tickets.settings.keys)
      assert.notDeepEqual(given, afterADay)
    })
  })
})

function outsideAt(time: ManualTime): Outside {
  return {
    clock: time,
    random: countingRandom(),
    logger: silentLogger,
    makeAlarm: (onDue) => time.makeAlarm(onDue),
  }
}
