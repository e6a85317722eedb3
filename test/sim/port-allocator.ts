import { integerBetween, type Random } from '../../src/core/random.ts'

/** How a NAT picks the public port of a new mapping. */
export type PortAllocation =
  /** The inside port where it is free, else the next free one above. */
  | { readonly kind: 'preserve' }
  | { readonly kind: 'sequential'; readonly step?: number; readonly first?: number }
  | { readonly kind: 'random'; readonly low?: number; readonly high?: number }
  /** Random, but even for even and odd for odd inside ports (RFC 4787 REQ-3). */
  | { readonly kind: 'parity'; readonly low?: number; readonly high?: number }
  /** Random inside a block of ports that belongs to the inside address (RFC 7422). */
  | { readonly kind: 'block'; readonly size: number; readonly low?: number; readonly high?: number }

export interface PortRequest {
  readonly insideAddress: string
  readonly insidePort: number
  readonly isFree: (port: number) => boolean
}

const LOW = 1024
const HIGH = 65_535
const RANDOM_TRIES = 200

export class PortAllocator {
  readonly #allocation: PortAllocation
  readonly #random: Random
  readonly #blocks = new Map<string, number>() // ≤ hosts of the test
  #last: number

  constructor(allocation: PortAllocation, random: Random) {
    this.#allocation = allocation
    this.#random = random
    this.#last = integerBetween(random, 10_000, 50_000)
    if (allocation.kind === 'sequential' && allocation.first !== undefined) {
      this.#last = allocation.first - (allocation.step ?? 1)
    }
  }

  /** `undefined` when every port that the allocation may give is taken. */
  allocate(request: PortRequest): number | undefined {
    const allocation = this.#allocation
    switch (allocation.kind) {
      case 'preserve':
        return this.#walk(request, request.insidePort, 1)
      case 'sequential':
        return this.#sequential(request, allocation.step ?? 1)
      case 'random':
        return this.#draw(request, allocation.low ?? LOW, allocation.high ?? HIGH)
      case 'parity':
        return this.#draw(request, allocation.low ?? LOW, allocation.high ?? HIGH, true)
      case 'block': {
        const first = this.#blockOf(request.insideAddress, allocation)
        return this.#draw(request, first, first + allocation.size - 1)
      }
    }
  }

  #sequential(request: PortRequest, step: number): number | undefined {
    const port = this.#walk(request, wrapped(this.#last + step), step)
    if (port !== undefined) this.#last = port
    return port
  }

  #walk({ isFree }: PortRequest, start: number, step: number): number | undefined {
    let port = start
    for (let tries = 0; tries < HIGH - LOW; tries++) {
      if (isFree(port)) return port
      port = wrapped(port + step)
    }
    return undefined
  }

  #draw(request: PortRequest, low: number, high: number, keepsParity = false): number | undefined {
    const suits = (port: number): boolean =>
      request.isFree(port) && (!keepsParity || port % 2 === request.insidePort % 2)
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const port = integerBetween(this.#random, low, high)
      if (suits(port)) return port
    }
    for (let port = low; port <= high; port++) if (suits(port)) return port
    return undefined
  }

  #blockOf(
    insideAddress: string,
    { size, low = LOW, high = HIGH }: PortAllocation & { kind: 'block' },
  ): number {
    const known = this.#blocks.get(insideAddress)
    if (known !== undefined) return known
    const first =
      low + size * integerBetween(this.#random, 0, Math.floor((high - low + 1) / size) - 1)
    this.#blocks.set(insideAddress, first)
    return first
  }
}

function wrapped(port: number): number {
  return port > HIGH ? LOW + (port - HIGH - 1) : port < LOW ? HIGH - (LOW - port - 1) : port
}
