/**
 * What is known of the NATs of the networks that this host was in, on disk. A network is told by its gateway's hardware
 * address and the /24 of its public address.
 */
import { z } from 'zod'
import type { Store } from '../core/store.ts'
import { natDependences, type NatProfile } from '../protocol/server/nat-profile.ts'
import type { KnownSilences } from '../traversal/idle-interval.ts'
import { putRecord, readRecord } from './records.ts'

const KEY = 'nat-profiles'

/** Home, work, phone, and the cafés of some weeks. */
const MAX_NETWORKS = 32

/** A router may have been replaced or set otherwise. */
const FRESH_MS = 24 * 60 * 60 * 1000

const port = z.number().int().min(1).max(65_535)
const range = { low: port, high: port }

const profile = z.object({
  mapping: z.enum(['none', ...natDependences, 'unknown']),
  filtering: z.enum([...natDependences, 'unknown']),
  ports: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('preserve') }),
    z.object({ kind: z.literal('sequential'), step: z.number().int() }),
    z.object({ kind: z.enum(['random', 'parity', 'block']), ...range }),
    z.object({ kind: z.literal('unknown') }),
  ]),
  isPooled: z.boolean(),
  lifetimeMs: z.exactOptional(z.number()),
  depth: z.exactOptional(z.number()),
})

/** What silences did to paths out of there. */
const silences = z.object({
  survivedMs: z.exactOptional(z.number()),
  tests: z.exactOptional(z.number()),
  diedMs: z.exactOptional(z.number()),
})

const known = z.object({
  network: z.string(),
  publicAddress: z.string(),
  measuredAtMs: z.number(),
  profile,
  silences: z.exactOptional(silences),
})

const record = z.object({ networks: z.array(known) })

type Known = z.output<typeof known>

export class NatMemory {
  readonly #store: Store
  #networks: readonly Known[] // ≤ MAX_NETWORKS, the last measured one last

  static async open(store: Store): Promise<NatMemory> {
    const bytes = await store.get(KEY)
    return new NatMemory(store, bytes === undefined ? [] : readRecord(record, KEY, bytes).networks)
  }

  private constructor(store: Store, networks: readonly Known[]) {
    this.#store = store
    this.#networks = networks
  }

  /** What was measured in that network, and whether it need not be measured again. */
  recall(
    wallNowMs: number,
    network: string,
    publicAddress: string,
  ):
    | {
        readonly profile: NatProfile
        readonly silences: KnownSilences
        readonly isFresh: boolean
      }
    | undefined {
    const found = this.#networks.find((one) => one.network === network)
    if (found === undefined) return undefined
    const ageMs = wallNowMs - found.measuredAtMs
    const isFresh = ageMs >= 0 && ageMs < FRESH_MS && found.publicAddress === publicAddress
    return { profile: found.profile, silences: isFresh ? (found.silences ?? {}) : {}, isFresh }
  }

  async remember(
    wallNowMs: number,
    network: string,
    publicAddress: string,
    measured: NatProfile,
  ): Promise<void> {
    const others = this.#networks.filter((one) => one.network !== network)
    const fresh = { network, publicAddress, measuredAtMs: wallNowMs, profile: measured }
    this.#networks = [...others, fresh].slice(-MAX_NETWORKS)
    await this.#save()
  }

  /** What silences did in that network; nothing where its NAT is not known, as there would be none. */
  async rememberSilences(network: string, learnt: KnownSilences): Promise<void> {
    const isKnown = this.#networks.some((one) => one.network === network)
    if (!isKnown) return
    this.#networks = this.#networks.map((one) =>
      one.network === network ? { ...one, silences: learnt } : one,
    )
    await this.#save()
  }

  async #save(): Promise<void> {
    await this.#store.write([putRecord(record, KEY, { networks: [...this.#networks] })])
  }
}
