import assert from 'node:assert/strict'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/server.ts'
import { inTemporaryDirectory } from '../support/temporary-directory.ts'
import { RealClient, register } from './support/real-client.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function withServer(
  use: (
    server: RunningServer,
    get: (path: string, method?: string) => Promise<Response>,
  ) => Promise<void>,
  change: Partial<ServerOptions> = {},
): Promise<void> {
  await inTemporaryDirectory(async (dataDirectory) => {
    const server = await startServer({
      dataDirectory,
      listen: LOOPBACK,
      udp: LOOPBACK,
      metrics: LOOPBACK,
      isRegistrationOpen: true,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      ...change,
    })
    assert.ok(server.metrics !== undefined)
    const base = `http://${formatEndpoint(server.metrics)}`
    try {
      await use(server, (path, method = 'GET') => fetch(base + path, { method }))
    } finally {
      await server.close()
    }
  })
}

function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1))
}

describe('metrics and health of holler-server', () => {
  it('counts what happens, without anybody’s name', async () => {
    await withServer(async (server, get) => {
      await register(server.link, 'alice-in-metrics', 'correct horse battery staple')
      const client = new RealClient(server.link, 'alice-in-metrics', 'correct horse battery staple')
      await client.next('welcome', (event) => (event.kind === 'online' ? event : undefined))
      const stranger = new RealClient(server.link, 'alice-in-metrics', 'wrong')
      await stranger.next('refusal', (event) => (event.kind === 'refused' ? event : undefined))

      const response = await get('/metrics')
      const text = await response.text()
      client.stop()
      stranger.stop()

      assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
      assert.equal(valueOf(text, 'holler_sessions{state="online"}'), 1)
      assert.equal(valueOf(text, 'holler_registrations_total{result="accepted"}'), 1)
      assert.equal(valueOf(text, 'holler_logins_total{result="accepted"}'), 1)
      assert.equal(valueOf(text, 'holler_logins_total{result="auth-failed"}'), 1)
      assert.ok(valueOf(text, 'holler_store_seconds_count{operation="write"}') > 0)
      assert.ok(valueOf(text, 'nodejs_eventloop_lag_seconds') >= 0)
      assert.ok(valueOf(text, 'holler_certificate_end_seconds') > Date.now() / 1000)
      assert.equal(valueOf(text, 'holler_mail_waiting_messages'), 0)
      assert.equal(valueOf(text, 'holler_mail_waiting_bytes'), 0)
      assert.match(text, /# TYPE holler_relay_dropped_total counter/)
      assert.ok(!text.includes('alice-in-metrics') && !text.includes('10001'))
    })
  })

  it('says that it lives and is ready, and has nothing else to say', async () => {
    await withServer(async (_server, get) => {
      const statuses = [
        (await get('/healthz')).status,
        (await get('/readyz?verbose')).status,
        (await get('/')).status,
        (await get('/metrics', 'POST')).status,
      ]

      assert.deepEqual(statuses, [200, 200, 404, 405])
      assert.equal(await (await get('/readyz')).text(), 'ready\n')
    })
  })

  it('says which port is taken', async () => {
    await withServer(async (server) => {
      assert.ok(server.metrics !== undefined)
      const { address, port } = server.metrics
      await assert.rejects(
        withServer(() => Promise.resolve(), { metrics: { host: address, port } }),
        { code: 'PORT_TAKEN', message: `Cannot listen on HTTP 127.0.0.1:${port}: already in use` },
      )
    })
  })
})
