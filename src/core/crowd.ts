/**
 * Connections that cost us memory and their other end nothing, with a limit in all and one for each network. Where
 * there are too many, the oldest goes and the newest stays: whoever means it is done soon, and whoever only holds a
 * place has held it longest. Refusing the newest instead would let a few who never finish keep everybody out.
 */
import { networkOf } from './address-scope.ts'
import type { Endpoint } from './endpoint.ts'

export interface CrowdMember {
  readonly remote: Endpoint
  /** It has to go; it has left the crowd already. */
  cut(why: string): void
}

export interface CrowdLimits {
  readonly most: number
  /** Loopback counts as no network. */
  readonly mostPerNetwork: number
  /** What those who must go are told. */
  readonly why: string
}

export class Crowd<Member extends CrowdMember> {
  readonly #limits: CrowdLimits
  readonly #members = new Set<Member>() // ≤ most, in the order in which they came
  readonly #networks = new Map<string, Set<Member>>() // those of #members, by network

  constructor(limits: CrowdLimits) {
    this.#limits = limits
  }

  enter(member: Member): void {
    const { most, mostPerNetwork } = this.#limits
    this.#members.add(member)
    const network = networkOf(member.remote)
    if (network !== undefined) {
      const neighbours = this.#networks.get(network) ?? new Set()
      this.#networks.set(network, neighbours)
      neighbours.add(member)
      if (neighbours.size > mostPerNetwork) this.#turnOut(neighbours)
    }
    if (this.#members.size > most) this.#turnOut(this.#members)
  }

  /** It is done, or gone. */
  leave(member: Member): void {
    if (!this.#members.delete(member)) return
    const network = networkOf(member.remote)
    if (network === undefined) return
    const neighbours = this.#networks.get(network)
    neighbours?.delete(member)
    if (neighbours?.size === 0) this.#networks.delete(network)
  }

  get size(): number {
    return this.#members.size
  }

  #turnOut(crowd: ReadonlySet<Member>): void {
    const [oldest] = crowd
    if (oldest === undefined) return
    this.leave(oldest)
    oldest.cut(this.#limits.why)
  }
}
