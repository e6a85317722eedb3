import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { quantile } from '../../scripts/lab/quantile.ts'
import { buildHome } from '../../scripts/lab/homes.ts'
import { RouterInternet, SERVER_ADDRESSES } from '../../scripts/lab/router/router-internet.ts'
import { Talker } from '../../scripts/lab/router/talker.ts'
import { record } from './results.ts'

const [SERVER] = SERVER_ADDRESSES

/**
 * Far more than any scenario sends: chat, punching, and a transfer at 20 Mbit/s are 2,100 packets a second. In seconds of
 * the router's own time: how fast it is on a machine that does nothing else.
 */
const ENOUGH_PER_SECOND = 5_000

const PACKETS = 20_000
const ROUND_TRIPS = 200

describe('the user-space router', () => {
  let internet: RouterInternet | undefined

  after(async () => {
    await internet?.close()
  })

  it('is fast enough not to be what is measured', async () => {
    internet = await RouterInternet.create()
    const { host, edge } = await buildHome(internet, 'port-restricted cone')
    const echo = await Talker.start(internet.server, { mode: 'echo', address: SERVER, port: 7007 })
    const talker = await Talker.start(host.namespace)
    const tripsMs: number[] = []
    for (let count = 0; count < ROUND_TRIPS; count++) {
      const startedAt = performance.now()
      await talker.asks(`${SERVER}:7007`)
      tripsMs.push(performance.now() - startedAt)
    }
    await Promise.all([echo.stop(), talker.stop()])

    const before = cpuSeconds(internet.pid)
    const { forwarded: known } = await edge.counts()
    await host.namespace.run(process.execPath, '-e', BLASTER, SERVER, String(PACKETS))
    const { forwarded } = await edge.counts()
    const packets = forwarded.outside - known.outside
    const packetsPerSecond = Math.round(packets / (cpuSeconds(internet.pid) - before))
    record({ group: 'router', packetsPerSecond, roundTripMs: quantile(tripsMs, 0.5) })

    assert.ok(packetsPerSecond >= ENOUGH_PER_SECOND, `${packetsPerSecond} packets a second`)
  }).timeout(120_000)
})

/** What a process has computed so far: proc_pid_stat(5), in hundredths of a second. */
function cpuSeconds(pid = 0): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** As fast as it can: what is too much is lost on the way. */
const BLASTER = `
  const socket = require('dgram').createSocket('udp4')
  const bytes = Buffer.alloc(1200)
  let left = Number(process.argv[2])
  const more = () => {
    if (left-- === 0) return socket.close()
    socket.send(bytes, 7010, process.argv[1], more)
  }
  more()`
