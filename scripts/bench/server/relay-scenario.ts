/** The rows of a relay: what a packet costs, what it keeps for a pair and for nobody, and how it amplifies. */
import { bareBinding, openSocket, type RelayServer, type Way } from './relays.ts'
import { cpuSeconds, inParallel, pause, residentKib } from './usage.ts'

/** Enough that holler's limit of 4 MiB a second for a pair is not met. */
const WAYS = 48

const KEPT_WAYS = 250
const STRANGERS = 5_000

/** Sent between two looks at what comes: sockets hold them all. */
const BURST = 96

/** By then the process has what it needs for such work at all; what it grows by in those that follow, it keeps. */
const WARMING_ROUNDS = 4
const GROWTH_ROUNDS = 6

const SETTLE_MS = 1_000

/** All that comes for one question has come by then. */
const ANSWER_MS = 500

export interface RelayFigures {
  readonly 'packets a core-second': number
  readonly 'KiB a pair': number
  readonly 'bytes a stranger': number
  readonly 'answer to a bare binding': number
  readonly 'answer to another question': number
}

export interface RelaySizes {
  readonly packets: number
  readonly ways: number
  readonly strangers: number
}

export const RELAY_SIZES: RelaySizes = {
  packets: 150_000,
  ways: KEPT_WAYS,
  strangers: STRANGERS,
}

export async function measureRelay(
  relay: RelayServer,
  strict: RelayServer,
  sizes: RelaySizes,
): Promise<RelayFigures> {
  return {
    ...(await running(relay, { isLean: true }, () => keptBy(relay, sizes))),
    ...(await running(relay, {}, async () => ({
      'packets a core-second': await carriedBy(relay, sizes),
      'answer to a bare binding': await amplification(relay, bareBinding()),
    }))),
    'answer to another question': await running(strict, {}, () =>
      amplification(strict, strict.otherQuestion),
    ),
  }
}

async function running<T>(
  relay: RelayServer,
  options: Parameters<RelayServer['start']>[0],
  measure: () => Promise<T>,
): Promise<T> {
  try {
    await relay.start(options)
    return await measure()
  } finally {
    await relay.stop()
  }
}

async function keptBy(
  relay: RelayServer,
  { ways, strangers }: RelaySizes,
): Promise<Pick<RelayFigures, 'KiB a pair' | 'bytes a stranger'>> {
  const stranger = await growthFor(relay, strangers, () => askFromNewPorts(relay, strangers))
  const kept: Way[] = []
  const pair = await growthFor(relay, ways, async () => {
    kept.push(...(await openWays(relay, ways, kept.length)))
  })
  closeAll(kept)
  return { 'KiB a pair': pair, 'bytes a stranger': stranger * 1024 }
}

/** Packets for each second of the relay's CPU. */
async function carriedBy(relay: RelayServer, { packets }: RelaySizes): Promise<number> {
  const ways = await openWays(relay, WAYS, 0)
  await carry(ways, packets / 10)
  const before = cpuSeconds(relay.pid)
  const arrived = await carry(ways, packets)
  const seconds = cpuSeconds(relay.pid) - before
  closeAll(ways)
  return arrived / seconds
}

async function openWays(relay: RelayServer, count: number, from: number): Promise<readonly Way[]> {
  const ways: Way[] = []
  await inParallel(count, 8, async (index) => {
    ways[index] = await relay.open(from + index)
  })
  return ways
}

function closeAll(ways: readonly Way[]): void {
  for (const way of ways) way.close()
}

/** KiB that the process keeps for each of so many, a round. */
async function growthFor(
  relay: RelayServer,
  count: number,
  work: () => Promise<void>,
): Promise<number> {
  for (let round = 0; round < WARMING_ROUNDS; round++) await work()
  await pause(SETTLE_MS)
  const before = residentKib(relay.pid)
  for (let round = 0; round < GROWTH_ROUNDS; round++) await work()
  await pause(SETTLE_MS)
  return (residentKib(relay.pid) - before) / (GROWTH_ROUNDS * count)
}

/** One bare binding from each of so many sources. */
async function askFromNewPorts({ port }: RelayServer, count: number): Promise<void> {
  await inParallel(count, 32, async () => {
    const socket = await openSocket()
    await new Promise((resolve) => socket.send(bareBinding(), port, '127.0.0.1', resolve))
    await pause(5)
    socket.close()
  })
}

/** How many arrived of so many. */
async function carry(ways: readonly Way[], packets: number): Promise<number> {
  const arrived = (): number => ways.reduce((sum, way) => sum + way.arrived, 0)
  const before = arrived()
  let sent = 0
  let stalledAt = performance.now()
  let last = before
  while (sent < packets) {
    for (let count = 0; count < BURST; count++) ways[sent++ % ways.length]?.send()
    // As many are under way as fit the sockets; what is lost is not waited for.
    while (sent - (arrived() - before) > 4 * BURST && performance.now() - stalledAt < 100) {
      await pause(0)
      if (arrived() !== last) {
        last = arrived()
        stalledAt = performance.now()
      }
    }
    stalledAt = performance.now()
  }
  await pause(200)
  return arrived() - before
}

/** Bytes of the answer for each byte of the question. */
async function amplification({ port }: RelayServer, question: Buffer): Promise<number> {
  const socket = await openSocket()
  let answered = 0
  socket.on('message', ({ length }) => (answered += length))
  socket.send(question, port, '127.0.0.1')
  await pause(ANSWER_MS)
  socket.close()
  return answered / question.length
}
