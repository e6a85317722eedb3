/** Whether the line does what it was told, by raw datagrams: a bench on a wrong line measures nothing. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { LinkConditions } from '../../test/sim/link.ts'
import { type BenchNetwork, commandIn, type Place } from './network.ts'

const PROBE = fileURLToPath(new URL('line-probe.mjs', import.meta.url))
/** This process and the line's may each come late by as much on a busy machine. */
const LATE_MS = 8

interface Measured {
  readonly leastRttMs: number
  readonly sent: number
  readonly answered: number
  readonly rateBytesPerSecond: number
}

/** @throws Error when the line is another one. */
export async function checkLine(
  { left, right }: BenchNetwork,
  { latencyMs = 0, jitterMs = 0, loss = 0, queueBytes = 0, rateBytesPerSecond }: LinkConditions,
): Promise<void> {
  const echo = start(right, ['echo', right.address])
  try {
    await once(echo.stdout, 'data')
    const asker = start(left, ['ask', right.address, String(trainPackets(queueBytes))])
    let output = ''
    asker.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(asker, 'close')
    const measured = JSON.parse(output) as Measured
    const { leastRttMs, sent, answered } = measured
    const rttMs = 2 * latencyMs
    if (leastRttMs < rttMs - 0.1 || leastRttMs > rttMs + 2 * jitterMs + LATE_MS) {
      throw new Error(`The line's round trip is ${leastRttMs} ms instead of ${rttMs}`)
    }
    // Both ways; four standard deviations either side.
    const share = 1 - (1 - loss) ** 2
    const lost = sent - answered
    if (Math.abs(lost - share * sent) > 4 * Math.sqrt(share * sent + 1)) {
      throw new Error(`The line lost ${lost} of ${sent} instead of ${Math.round(share * sent)}`)
    }
    const rate = measured.rateBytesPerSecond
    if (rateBytesPerSecond === undefined) return
    if (rate < 0.7 * rateBytesPerSecond || rate > 1.05 * rateBytesPerSecond) {
      throw new Error(`The line carries ${rate} bytes/s instead of ${rateBytesPerSecond}`)
    }
  } finally {
    echo.kill()
  }
}

/** As many full packets as surely find room in the queue: the longer they take, the less does a late reader matter. */
function trainPackets(queueBytes: number): number {
  return Math.floor((0.9 * queueBytes) / 1_500)
}

function start(place: Place, args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const [command, ...rest] = commandIn(place, [process.execPath, PROBE, ...args])
  return spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}
