import { SeededRandom } from '../../../test/sim/seeded-random.ts'
import type { RouterCommand, RouterCounts, RouterSetup } from './control.ts'
import { Line } from './line.ts'
import { steer } from './steering.ts'
import { type Side, Translator } from './translator.ts'
import { Tun } from './tun.ts'

const TABLES = { inside: 101, outside: 102 } as const

/**
 * One router with its devices:
 *
 *     hosts ── lan ─ kernel ─ TUN "inside" ─┐           ┌─ TUN "outside" ─ kernel ─ wan ── internet
 *                                           translator ─ line up
 *                                                 line down
 */
export class UserSpaceRouter {
  readonly tuns: Readonly<Record<Side, Tun>>
  readonly #translator: Translator
  readonly #up: Line
  readonly #down: Line
  readonly #forwarded = { inside: 0, outside: 0 }
  readonly #dropped: Record<string, number> = {}

  /** `number` tells the devices of this process's routers apart while they are made here. */
  constructor(setup: RouterSetup, number: number) {
    const { namespace, lan, wan } = setup
    const random = new SeededRandom(setup.seed)
    this.#translator = new Translator(setup, random.fork('nat'))
    this.#up = new Line(setup.line?.up ?? {}, random.fork('up'), now)
    this.#down = new Line(setup.line?.down ?? {}, random.fork('down'), now)
    this.tuns = { inside: new Tun(`inside${number}`), outside: new Tun(`outside${number}`) }
    const { inside, outside } = this.tuns
    steer(namespace, [
      { tun: inside.name, into: 'inside', from: lan, table: TABLES.inside },
      { tun: outside.name, into: 'outside', from: wan, table: TABLES.outside },
    ])
  }

  /** A packet that was read from the device on this side. */
  handle(side: Side, packet: Uint8Array): void {
    if (side === 'inside') this.#translate('inside', packet)
    else this.#carry(this.#down, packet, () => this.#translate('outside', packet))
  }

  execute(command: Exclude<RouterCommand, { kind: 'start' | 'stop' }>): void {
    switch (command.kind) {
      case 'reboot':
        this.#translator.reboot(command.addresses)
        break
      case 'forget':
        this.#translator.forgetRemotes(new Set(command.remotes))
        break
      case 'block-udp':
        this.#translator.isBlockingUdp = command.isBlocked
        break
      case 'only-tcp':
        this.#translator.onlyTcpPort = command.port
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

  /** What still waits in the lines is lost with the router. */
  close(): void {
    this.#up.close()
    this.#down.close()
    this.tuns.inside.close()
    this.tuns.outside.close()
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
    if (this.tuns[side].write(packet)) this.#forwarded[side]++
    else this.#drop('refused-by-kernel')
  }

  #drop(why: string): void {
    this.#dropped[why] = (this.#dropped[why] ?? 0) + 1
  }
}

function now(): number {
  return performance.now()
}
