/**
 * `npm run bench -- soak`: one connection over an impaired line for a long time. Every byte is checked (SHA-256 on both
 * sides), memory must not grow, and afterwards neither side may do anything at all. Needs root, for the line.
 */
import { parseArgs } from 'node:util'
import type { LinkConditions } from '../../test/sim/link.ts'
import { impaired } from './network.ts'
import { measureSoak, type SoakHalf } from './run.ts'

const HELP = `npm run bench -- soak [OPTIONS]

  --bytes N    10000000000 when absent
  --seed N     of the line; 1 when absent
`

/** Bursts of loss, jitter that reorders, duplicates: everything a bad path does, at once. */
const WEATHER: LinkConditions = {
  latencyMs: 5,
  jitterMs: 2,
  reorder: { chance: 0.01, delayMs: 3 },
  duplicate: 0.001,
  loss: 0.002,
  burst: { enter: 0.0002, leave: 0.2 },
  rateBytesPerSecond: 125_000_000,
  queueBytes: 1_250_000,
  mtuBytes: 1500,
}

/** Windows of 16 MiB on both sides come and go; a leak of a byte for each packet of 10 GB would be 7 MB. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024
/** CPU of both in the two seconds after the last acknowledgement: a timer or two. */
const MAX_QUIET_CPU_SECONDS = 0.1

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      bytes: { type: 'string', default: '10000000000' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 2
  }
  const network = await impaired(WEATHER, Number(values.seed))
  try {
    const { near, far, quietCpuSeconds, seconds } = await measureSoak(network, Number(values.bytes))
    console.log(`${values.bytes} bytes in ${seconds.toFixed(1)} s, seed ${values.seed}`)
    console.log(`sent     ${near.digest}\nreceived ${far.digest}`)
    for (const [name, half] of Object.entries({ sender: near, receiver: far })) {
      console.log(`${name}: memory early ${mebi(half.early)}, at the end ${mebi(half.late)} MiB`)
    }
    console.log(`CPU in 2 s after the end: ${quietCpuSeconds.toFixed(2)} s`)
    console.log(`statistics of the sender: ${JSON.stringify(near.stats)}`)
    const isGood =
      near.digest === far.digest &&
      grewLittle(near) &&
      grewLittle(far) &&
      quietCpuSeconds <= MAX_QUIET_CPU_SECONDS
    console.log(isGood ? 'good' : 'NOT GOOD')
    return isGood ? 0 : 1
  } finally {
    console.log(`line: ${JSON.stringify(await network.close())}`)
  }
}

function grewLittle({ early, late }: SoakHalf): boolean {
  return late - early <= MAX_GROWTH_BYTES
}

function mebi(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
