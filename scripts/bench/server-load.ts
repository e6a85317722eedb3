/**
 * `npm run bench -- server-load`: thousands of real links to one holler-server. It holds them for minutes while they
 * write to each other, then dies by kill −9 and is started again: whoever was there must be back soon, and nobody's
 * buddies may have seen them go.
 */
import { cpus, loadavg, release } from 'node:os'
import { parseArgs } from 'node:util'
import { parseServerLink } from '../../src/protocol/server/link.ts'
import { buddiesOf, leaveFirstCpu } from './server/chat-server.ts'
import { HollerServer } from './server/holler.ts'
import { LoadClient, type Tally } from './server/load-client.ts'
import { cpuSeconds, inParallel, pause, residentKib, until } from './server/usage.ts'
import { median } from './statistics.ts'

const HELP = `npm run bench -- server-load [OPTIONS]

  --sessions N   5000 when absent, each with 20 buddies
  --seconds N    300 when absent: how long they are held
  --quick        100 for 10 s: does the bench itself work?
`

/** One message a second for each ten users. */
const SENDERS_EACH_SECOND = 1 / 10

/** Logins at once: below the server's limit of handshakes. */
const AT_ONCE = 64

const LATE_MESSAGES_MS = 10_000

/** Of the memory, between the second fifth of the time and the last. */
const MOST_GROWTH = 0.05

const ALL_BACK_WITHIN_MS = 20_000
const GIVE_UP_MS = 120_000

/** Longer than holler's grace of 10 s, by which a flap would show. */
const FLAPS_WITHIN_MS = 15_000

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sessions: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 2
  }
  const sessions = Number(values.sessions ?? (values.quick ? 100 : 5_000))
  const seconds = Number(values.seconds ?? (values.quick ? 10 : 300))
  const [model] = cpus().map((cpu) => cpu.model)
  console.log(
    `${model ?? 'unknown CPU'}, ${cpus().length} CPUs, Linux ${release()}, Node ${process.version}, ` +
      `load ${loadavg()[0]?.toFixed(1)}`,
  )
  leaveFirstCpu()
  const server = new HollerServer()
  const load = new Load(server, sessions)
  try {
    await server.start(sessions)
    await load.logIn()
    const isHeld = await load.hold(seconds)
    const isBack = await load.killAndReturn()
    console.log(isHeld && isBack ? 'good' : 'NOT GOOD')
    return isHeld && isBack ? 0 : 1
  } finally {
    load.stop()
    await server.stop()
  }
}

class Load {
  readonly #server: HollerServer
  readonly #sessions: number
  readonly #clients: LoadClient[] = []
  readonly #tally: Tally = {
    ...{ online: 0, disconnects: 0, sent: 0, duplicates: 0, refused: 0, offlineSeen: 0 },
    underWay: new Set(),
    failures: new Map(),
  }

  constructor(server: HollerServer, sessions: number) {
    this.#server = server
    this.#sessions = sessions
  }

  async logIn(): Promise<void> {
    const address = parseServerLink(this.#server.link)
    if (!address.ok) throw new Error(address.why)
    const before = cpuSeconds(this.#server.pid)
    const begunAt = performance.now()
    await inParallel(this.#sessions, AT_ONCE, async (user) => {
      const client = new LoadClient(user, address.value, this.#tally)
      this.#clients[user] = client
      await client.start()
    })
    const cpuMs = ((cpuSeconds(this.#server.pid) - before) * 1e3) / this.#sessions
    const tookSeconds = (performance.now() - begunAt) / 1e3
    console.log(
      `${this.#sessions} logged in within ${tookSeconds.toFixed(1)} s, ${cpuMs.toFixed(2)} ms of CPU each`,
    )
  }

  async hold(seconds: number): Promise<boolean> {
    const residents: number[] = []
    const cpuBefore = cpuSeconds(this.#server.pid)
    for (let second = 0; second < seconds; second++) {
      const begunAt = performance.now()
      this.#sendSome(second)
      residents.push(residentKib(this.#server.pid))
      await pause(Math.max(0, 1_000 - (performance.now() - begunAt)))
    }
    const cpu = cpuSeconds(this.#server.pid) - cpuBefore
    const { underWay, sent, disconnects, duplicates, refused } = this.#tally
    await until('late messages', () => underWay.size === 0, LATE_MESSAGES_MS).catch(() => undefined)
    const fifth = Math.floor(residents.length / 5)
    const early = median(residents.slice(fifth, 2 * fifth))
    const late = median(residents.slice(-fifth))
    console.log(
      `held ${seconds} s: ${disconnects} disconnects, ${sent} messages, ${underWay.size} lost, ` +
        `${duplicates} twice, ${refused} refused; ${((100 * cpu) / seconds).toFixed(0)} % of a CPU; ` +
        `memory ${mebi(early)} MiB early, ${mebi(late)} MiB at the end`,
    )
    return (
      disconnects === 0 && underWay.size === 0 && refused === 0 && late <= early * (1 + MOST_GROWTH)
    )
  }

  #sendSome(second: number): void {
    const every = Math.round(1 / SENDERS_EACH_SECOND)
    for (let user = second % every; user < this.#sessions; user += every) {
      const buddies = buddiesOf(user, this.#sessions)
      this.#clients[user]?.send(buddies[second % buddies.length] ?? 0)
    }
  }

  async killAndReturn(): Promise<boolean> {
    const listen = new URL(this.#server.link.replace('holler:', 'http:')).host
    this.#tally.offlineSeen = 0
    this.#tally.failures.clear()
    await this.#server.kill('SIGKILL')
    await until('everybody to notice', () => this.#tally.online === 0)
    const begunAt = performance.now()
    await this.#server.startAgain(listen)
    const startedMs = performance.now() - begunAt
    const isAll = (): boolean => this.#tally.online === this.#sessions
    await until('everybody to be back', isAll, GIVE_UP_MS).catch(() => undefined)
    const backMs = performance.now() - begunAt
    const cpuMs = (cpuSeconds(this.#server.pid) * 1e3) / this.#sessions
    await pause(FLAPS_WITHIN_MS)
    const { online, offlineSeen } = this.#tally
    console.log(
      `killed: listens again after ${startedMs.toFixed(0)} ms; ${online} of ${this.#sessions} back after ` +
        `${(backMs / 1e3).toFixed(1)} s, ${cpuMs.toFixed(2)} ms of CPU each, ${offlineSeen} flaps of presence seen`,
    )
    for (const [why, count] of this.#tally.failures)
      console.log(`  ${count} attempts failed: ${why}`)
    return isAll() && backMs <= ALL_BACK_WITHIN_MS && offlineSeen === 0
  }

  stop(): void {
    for (const client of this.#clients) client.stop()
  }
}

function mebi(kib: number): string {
  return (kib / 1024).toFixed(0)
}
