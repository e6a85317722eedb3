/**
 * How many questions the addresses that have not proved to be a peer's may still get: one purse for all ports of an IP
 * address and for all sessions, since a buddy may begin another session as often as the server lets him, and every one
 * would come with a full purse.
 */
import { after, type Instant } from '../core/instant.ts'

/** Enough for a server-reflexive, a mapped and a guessed port, with five questions each. */
export const UNPROVED_ADDRESS_QUESTIONS = 15

/** The shortest time that NATs and firewalls in use keep a flow without an answer: so long the last question is of use. */
export const REFILL_MS = 30_000

/** As many as 100 introductions of ten candidates name: who wants an old purse forgotten must name all of these. */
export const MAX_PURSES = 1000

interface Purse {
  readonly spent: number
  readonly spentAt: Instant
  readonly forgivenAt?: Instant
}

export class AddressPurses {
  readonly #purses = new Map<string, Purse>() // by IP address; ≤ MAX_PURSES, the one not used for longest is dropped

  get size(): number {
    return this.#purses.size
  }

  mayAsk(now: Instant, address: string): boolean {
    return this.#spent(now, address) < UNPROVED_ADDRESS_QUESTIONS
  }

  spend(now: Instant, address: string): void {
    const spent = this.#spent(now, address) + 1
    this.#put(address, { ...this.#purses.get(address), spent, spentAt: now })
    const [oldest] = this.#purses.keys()
    if (this.#purses.size > MAX_PURSES && oldest !== undefined) this.#purses.delete(oldest)
  }

  /** Somebody there wanted these questions: another peer behind the same NAT is not to lack them. */
  giveBack(address: string, questions: number): void {
    const purse = this.#purses.get(address)
    if (purse === undefined) return
    this.#purses.set(address, { ...purse, spent: Math.max(0, purse.spent - questions) })
  }

  /**
   * A peer lives there: what was asked of its other ports is forgiven, or its next session could ask nothing of a NAT that
   * has many. Once in `REFILL_MS`: these ports may be strangers' behind the same NAT, who so get twice as much at most.
   */
  forgive(now: Instant, address: string): void {
    const purse = this.#purses.get(address)
    if (purse === undefined) return
    if (purse.forgivenAt !== undefined && now < after(purse.forgivenAt, REFILL_MS)) return
    this.#purses.set(address, { ...purse, spent: 0, forgivenAt: now })
  }

  #spent(now: Instant, address: string): number {
    const purse = this.#purses.get(address)
    return purse === undefined || now >= after(purse.spentAt, REFILL_MS) ? 0 : purse.spent
  }

  #put(address: string, purse: Purse): void {
    this.#purses.delete(address)
    this.#purses.set(address, purse)
  }
}
