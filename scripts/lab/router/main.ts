/**
 * A router in user space: run in a network namespace of its own, with its setup as the one argument. Reads commands from
 * stdin and answers on stdout, a JSON value a line; ends when stdin does, so that it never outlives its owner.
 *
 *     hosts ── lan ─ kernel ─ TUN "inside" ─┐           ┌─ TUN "outside" ─ kernel ─ wan ── internet
 *                                           translator ─ line up
 *                                                 line down
 */
import { createInterface } from 'node:readline'
import { SeededRandom } from '../../../test/sim/seeded-random.ts'
import type {
  RouterCommand,
  RouterCounts,
  RouterReply,
  RouterRequest,
  RouterSetup,
} from './control.ts'
import { Line } from './line.ts'
import { steer } from './steering.ts'
import { type Side, Translator } from './translator.ts'
import { readPackets, Tun } from './tun.ts'

const TABLES = { inside: 101, outside: 102 } as const

class RouterProgram {
  readonly #tuns: Readonly<Record<Side, Tun>>
  readonly #translator: Translator
  readonly #up: Line
  readonly #down: Line
  readonly #forwarded = { inside: 0, outside: 0 }
  readonly #dropped: Record<string, number> = {}

  constructor(setup: RouterSetup) {
    const random = new SeededRandom(setup.seed)
    this.#translator = new Translator(setup, random.fork('nat'))
    this.#up = new Line(setup.line?.up ?? {}, random.fork('up'), now)
    this.#down = new Line(setup.line?.down ?? {}, random.fork('down'), now)
    this.#tuns = { inside: new Tun('inside'), outside: new Tun('outside') }
    steer({ into: 'inside', from: setup.lan, table: TABLES.inside })
    steer({ into: 'outside', from: setup.wan, table: TABLES.outside })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { inside, outside } = this.#tuns
    await readPackets(
      [inside, outside],
      (tun, packet) => {
        if (tun === inside) this.#translate('inside', packet)
        else this.#carry(this.#down, packet, () => this.#translate('outside', packet))
      },
      signal,
    )
    inside.close()
    outside.close()
  }

  execute(command: RouterCommand): void {
    switch (command.kind) {
      case 'reboot':
        this.#translator.reboot(command.addresses)
        break
      case 'block-udp':
        this.#translator.isBlockingUdp = command.isBlocked
        break
      case 'impair':
        if (command.line.up !== undefined) this.#up.change(command.line.up)
        if (command.line.down !== undefined) this.#down.change(command.line.down)
        break
      case 'count':
        break
    }
  }

  get counts(): RouterCounts {
    return {
      mappings: this.#translator.mappingCount,
      forwarded: this.#forwarded,
      dropped: this.#dropped,
    }
  }

  #translate(side: Side, packet: Uint8Array): void {
    const outcome = this.#translator.handle(now(), side, packet)
    if (outcome.kind === 'drop') this.#drop(outcome.why)
    if (outcome.kind !== 'forward') return
    const { to, bytes } = outcome
    if (to === 'inside') this.#write('inside', bytes)
    else this.#carry(this.#up, bytes, () => this.#write('outside', bytes))
  }

  #carry(line: Line, packet: Uint8Array, arrive: () => void): void {
    const lost = line.carry(packet.length, arrive)
    if (lost !== undefined) this.#drop(lost)
  }

  #write(side: Side, packet: Uint8Array): void {
    if (this.#tuns[side].write(packet)) this.#forwarded[side]++
    else this.#drop('refused-by-kernel')
  }

  #drop(why: string): void {
    this.#dropped[why] = (this.#dropped[why] ?? 0) + 1
  }
}

function now(): number {
  return performance.now()
}

function reply(message: RouterReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function handleRequest(program: RouterProgram, line: string): void {
  const { id, command } = JSON.parse(line) as RouterRequest // from our owner, whose types are ours
  try {
    program.execute(command)
    reply({ kind: 'done', id, counts: program.counts })
  } catch (error) {
    reply({ kind: 'failed', id, why: String(error) })
  }
}

const [setup] = process.argv.slice(2)
if (setup === undefined) throw new Error('Give the setup as JSON')
const program = new RouterProgram(JSON.parse(setup) as RouterSetup)
const ending = new AbortController()
createInterface({ input: process.stdin })
  .on('line', (line) => handleRequest(program, line))
  .once('close', () => ending.abort())
reply({ kind: 'ready' })
await program.run(ending.signal)
process.exit(0) // what still waits in the lines is lost with the router
