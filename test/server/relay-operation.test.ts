import assert from 'node:assert/strict'
import { join } from 'node:path'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { connectTls } from '../../src/io/tls.ts'
import { RELAY_ALPN } from '../../src/protocol/relay/frames.ts'
import { parseRelayLink } from '../../src/protocol/relay/link.ts'
import { startRelay } from '../../src/server/relay-server.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { type Ran, run } from './support/run-command-line.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function withRelay(
  use: (
    relay: RunningServer,
    get: (path: string) => Promise<Response>,
    admin: (...args: readonly string[]) => Promise<Ran>,
  ) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    const relay = await startRelay({
      dataDirectory: directory,
      listen: LOOPBACK,
      udp: LOOPBACK,
      metrics: LOOPBACK,
      adminSocket: join(directory, 'admin.sock'),
      trusted: [new Uint8Array(32)],
      version: '1.2.3',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    })
    assert.ok(relay.metrics !== undefined)
    const base = `http://${formatEndpoint(relay.metrics)}`
    try {
      await use(
        relay,
        (path) => fetch(base + path),
        (...args) => run(...args, '--data', directory),
      )
    } finally {
      await relay.close()
    }
  })
}

async function connect({ link }: RunningServer): ReturnType<typeof connectTls> {
  const address = parseRelayLink(link)
  assert.ok(address.ok)
  return await connectTls({ ...address.value, alpn: RELAY_ALPN, timeoutMs: 8_000 })
}

describe('a relay of its own, for those who run it', () => {
  it('serves its figures, and none of what only a server has', async () => {
    await withRelay(async (relay, get) => {
      const stream = await connect(relay)

      const text = await (await get('/metrics')).text()
      stream.destroy()

      assert.match(text, /^holler_tls_handshakes_total\{kind="whole"\} 1$/m)
      assert.match(text, /^holler_relay\{what="streams"\} 1$/m)
      assert.match(text, /^holler_certificate_end_seconds \d/m)
      assert.match(text, /^process_cpu_seconds_total /m)
      assert.doesNotMatch(text, /holler_(sessions|logins|mail|store|registrations)/)
    })
  })

  it('tells how it is over its admin socket, and that it knows nobody', async () => {
    await withRelay(async (relay, _get, admin) => {
      const stats = JSON.parse((await admin('stats', '--json')).stdout) as Record<string, unknown>
      const text = await admin('stats')
      const list = await admin('account', 'list')

      assert.deepEqual(
        [stats['role'], stats['version'], stats['relaySessions'], stats['isDraining']],
        ['relay', '1.2.3', 0, false],
      )
      assert.ok(text.stdout.includes(relay.link))
      assert.equal(list.status, 64)
      assert.equal(
        list.stderr,
        'holler-server: This is a relay: it has no accounts and no invitations\n',
      )
    })
  })

  it('drains: it is not ready any more, takes nobody, and ends', async () => {
    await withRelay(async (relay, get, admin) => {
      assert.equal((await get('/readyz')).status, 200)

      const drained = await admin('drain', '--linger', '2s')

      assert.deepEqual([(await get('/readyz')).status, (await get('/healthz')).status], [503, 200])
      await assert.rejects(connect(relay))
      assert.equal(drained.stdout, '0 sessions go on until the end, and no new ones begin\n')
      await relay.drained
    })
  })
})
