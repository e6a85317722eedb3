import { formatEndpoint } from '../../src/core/endpoint.ts'
import type { Packet } from './packet.ts'

export type PacketStage = 'sent' | 'received' | 'dropped'

export interface TraceEntry {
  readonly at: number
  readonly stage: PacketStage
  readonly packet: Packet
  /** The host, router or link where it happened. */
  readonly where: string
  /** Why it was dropped, or what a note says. */
  readonly why: string
}

const KEPT_ENTRIES = 400

/** The last things that happened in a world, to print when a test fails; with `onLine`, everything as it happens. */
export class Trace {
  readonly #onLine: ((line: string) => void) | undefined
  readonly #entries: (TraceEntry | string)[] = [] // ≤ 2 × KEPT_ENTRIES
  readonly #counts = new Map<string, number>() // by stage and reason: a closed set

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine
  }

  add(entry: TraceEntry): void {
    const name = entry.stage === 'dropped' ? `dropped:${entry.why}` : entry.stage
    this.#counts.set(name, this.count(name) + 1)
    this.#keep(entry)
  }

  note(at: number, text: string): void {
    this.#keep(`${stamp(at)} -- ${text}`)
  }

  /** How many packets were `sent`, `received`, or `dropped:WHY`. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  print(): string {
    const counts = [...this.#counts].map(([name, count]) => `${name} ${count}`).join(', ')
    return [...this.#entries.slice(-KEPT_ENTRIES).map(line), counts].join('\n')
  }

  #keep(entry: TraceEntry | string): void {
    this.#onLine?.(line(entry))
    this.#entries.push(entry)
    if (this.#entries.length >= 2 * KEPT_ENTRIES) this.#entries.splice(0, KEPT_ENTRIES)
  }
}

function line(entry: TraceEntry | string): string {
  if (typeof entry === 'string') return entry
  const { at, stage, packet, where, why } = entry
  const flow = `${formatEndpoint(packet.from)} > ${formatEndpoint(packet.to)}`
  const size = `${packet.bytes.length} B ttl ${packet.ttl}`
  return `${stamp(at)} ${stage.padEnd(8)} ${flow}  ${size}  ${where}${why === '' ? '' : `: ${why}`}`
}

function stamp(at: number): string {
  return at.toFixed(3).padStart(11)
}
