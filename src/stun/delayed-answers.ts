/**
 * Answers that a client asked to get later (DELAY, `own-attributes.ts`). The one thing that a STUN server keeps for a
 * client: only for those who may ask for it, as few as are needed to test a NAT, and all together no longer than the
 * request that they answer.
 */
import { type Endpoint, keyOf } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Transmit } from '../core/machine.ts'
import type { TransactionId } from './message.ts'
import { prefixOf } from './prefix-buckets.ts'

/** 250 bytes each, 1 MiB in all. */
const MAX_PENDING = 4096

/** A full lifetime test has 9 idle times twice and 30 refreshes: 48. */
const MAX_PER_NETWORK = 64

/** Against loss; a NAT sees them as one flow. */
const SPACING_MS = 250
export const MAX_COPIES = 3

interface Pending {
  readonly transmit: Transmit
  readonly network: string
  copies: number
  dueAt: Instant
}

export class DelayedAnswers {
  readonly #pending = new Map<string, Pending>() // ≤ MAX_PENDING, ≤ MAX_PER_NETWORK for each network
  readonly #perNetwork = new Map<string, number>() // ≤ MAX_PENDING
  #nextAt: Instant | undefined // found anew only when answers leave: it is asked for with each datagram

  /** False when there is no room. The same transaction again changes nothing. */
  add(
    dueAt: Instant,
    from: Endpoint,
    id: TransactionId,
    { transmit, copies }: { readonly transmit: Transmit; readonly copies: number },
  ): boolean {
    const key = `${keyOf(from)} ${id}`
    if (this.#pending.has(key)) return true
    const network = prefixOf(from)
    const count = this.#perNetwork.get(network) ?? 0
    if (this.#pending.size >= MAX_PENDING || count >= MAX_PER_NETWORK) return false
    this.#perNetwork.set(network, count + 1)
    this.#pending.set(key, { transmit, network, copies, dueAt })
    if (this.#nextAt === undefined || dueAt < this.#nextAt) this.#nextAt = dueAt
    return true
  }

  /** What is to leave now. */
  due(now: Instant): readonly Transmit[] {
    if (this.#nextAt === undefined || now < this.#nextAt) return []
    const leaving: Transmit[] = []
    this.#nextAt = undefined
    for (const [key, pending] of this.#pending) {
      if (pending.dueAt <= now) {
        leaving.push(pending.transmit)
        pending.copies -= 1
        pending.dueAt = after(now, SPACING_MS)
      }
      if (pending.copies <= 0) this.#forget(key, pending)
      else if (this.#nextAt === undefined || pending.dueAt < this.#nextAt) {
        this.#nextAt = pending.dueAt
      }
    }
    return leaving
  }

  get nextAt(): Instant | undefined {
    return this.#nextAt
  }

  get size(): number {
    return this.#pending.size
  }

  #forget(key: string, { network }: Pending): void {
    this.#pending.delete(key)
    const count = (this.#perNetwork.get(network) ?? 1) - 1
    if (count === 0) this.#perNetwork.delete(network)
    else this.#perNetwork.set(network, count)
  }
}
