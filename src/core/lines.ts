/**
 * Who waits for the same thing, in a line for each network. The networks take turns, so one with many who wait delays the
 * others by no more than one with few; in a line the newest goes first: who has waited longest has given up soonest, and
 * whoever only holds a place holds it for nothing.
 */
export interface LineLimits {
  /** Those of no network have this limit alone. */
  readonly most: number
  readonly mostPerNetwork: number
}

/** As `networkOf` names it. */
type Network = string | undefined

export interface Waiting<Item> {
  readonly item: Item
  readonly network: Network
}

export class Lines<Item> {
  readonly #limits: LineLimits
  /** None is empty. The first has the next turn. */
  readonly #lines = new Map<Network, Item[]>() // ≤ most items in all
  #size = 0

  constructor(limits: LineLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#size
  }

  /** The one that had to go for it, if any: the oldest of its own line, or of the line that has the next turn. */
  add(item: Item, network: Network): Item | undefined {
    const line = this.#lines.get(network) ?? []
    line.push(item)
    this.#lines.set(network, line)
    this.#size += 1
    if (network !== undefined && line.length > this.#limits.mostPerNetwork) {
      return this.#takeOldest(network, line)
    }
    if (this.#size <= this.#limits.most) return undefined
    const [next] = this.#lines
    return next === undefined ? undefined : this.#takeOldest(...next)
  }

  /** Takes the newest of the first network in turn that may send one. */
  next(maySend: (network: Network) => boolean): Waiting<Item> | undefined {
    for (const [network, line] of this.#lines) {
      if (!maySend(network)) continue
      const item = line.pop()
      this.#lines.delete(network)
      if (item === undefined) return undefined // no line is empty
      if (line.length > 0) this.#lines.set(network, line) // behind the others
      this.#size -= 1
      return { item, network }
    }
    return undefined
  }

  takeAll(): readonly Item[] {
    const all = [...this.#lines.values()].flat()
    this.#lines.clear()
    this.#size = 0
    return all
  }

  #takeOldest(network: Network, line: Item[]): Item | undefined {
    const oldest = line.shift()
    if (line.length === 0) this.#lines.delete(network)
    this.#size -= 1
    return oldest
  }
}
