/**
 * Our prekeys: what buddies seal messages for us with while we are away. The private halves lie here; a one-time key
 * goes in the same write that keeps the message it opened. Which of them the server still has, it says (`keys-left`).
 */
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import type { Random } from '../core/random.ts'
import type { Store, StoreChange } from '../core/store.ts'
import { signedPrekeyStatement } from '../crypto/device-statement.ts'
import { type StaticKey, staticKeyFromSeed } from '../crypto/static-key.ts'
import { type KeysLeft, MAX_PREKEY_PAGE, type PublishKeys } from '../protocol/server/messages.ts'
import type { Device } from './keys.ts'
import {
  bytesField,
  deleteRecord,
  everyKeyUnder,
  lastNumberOf,
  putRecord,
  readRecord,
  sortable,
} from './records.ts'

/** A signed prekey is renewed every week, and opens messages for another one: those that were on their way. */
const RENEW_AFTER_MS = 7 * 24 * 3_600_000
const MAX_SIGNED = 2

/** Below this, the server gets as many as make 50 again. */
const FEW_LEFT = 20

/** What nobody has used: the server may have lost them. Beyond this the oldest go. */
const MAX_ONE_TIME = 400

const seedRecord = z.object({ seed: bytesField, madeAtMs: z.number() })
const nextRecord = z.object({ next: z.number() })

type Seed = z.output<typeof seedRecord>

export interface PrekeysOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly device: Device
  readonly slot: string
}

export class Prekeys {
  readonly #options: PrekeysOptions
  readonly #signed: Map<number, Seed> // ≤ MAX_SIGNED
  readonly #oneTime: Map<number, Seed> // ≤ MAX_ONE_TIME
  #next: number

  static async open(options: PrekeysOptions): Promise<Prekeys> {
    const { store, slot } = options
    const read = async (kind: string): Promise<Map<number, Seed>> => {
      const seeds = new Map<number, Seed>()
      for await (const [key, bytes] of store.range(everyKeyUnder(`${slot}/${kind}/`))) {
        seeds.set(lastNumberOf(key), readRecord(seedRecord, key, bytes))
      }
      return seeds
    }
    const key = nextKey(slot)
    const bytes = await store.get(key)
    const next = bytes === undefined ? 1 : readRecord(nextRecord, key, bytes).next
    return new Prekeys(options, await read('prekey-signed'), await read('prekey'), next)
  }

  private constructor(
    options: PrekeysOptions,
    signed: Map<number, Seed>,
    oneTime: Map<number, Seed>,
    next: number,
  ) {
    this.#options = options
    this.#signed = signed
    this.#oneTime = oneTime
    this.#next = next
  }

  signed(number: number): StaticKey | undefined {
    return keyOf(this.#signed.get(number))
  }

  oneTime(number: number): StaticKey | undefined {
    return keyOf(this.#oneTime.get(number))
  }

  /** What must be written together with what a one-time key has opened; `forget` follows when it is. */
  used(number: number): readonly StoreChange[] {
    return number === 0 ? [] : [deleteRecord(this.#key('prekey', number))]
  }

  forget(number: number): void {
    this.#oneTime.delete(number)
  }

  /** What to publish, now that the server has so much left; on disk before it is given. */
  async replenished(left: Pick<KeysLeft, 'oneTime' | 'signed'>): Promise<PublishKey | undefined> {
    const signed = left.signed === undefined ? undefined : this.#signed.get(left.signed)
    const isFresh = signed !== undefined && this.#ageMs(signed) < RENEW_AFTER_MS
    if (isFresh && left.oneTime >= FEW_LEFT) return undefined
    const changes: StoreChange[] = []
    const [number, seed] =
      isFresh && left.signed !== undefined
        ? [left.signed, signed]
        : this.#draw('prekey-signed', this.#signed, MAX_SIGNED, changes)
    const wanted = Math.max(0, MAX_PREKEY_PAGE - left.oneTime)
    const oneTime = Array.from({ length: wanted }, () =>
      this.#draw('prekey', this.#oneTime, MAX_ONE_TIME, changes),
    )
    const { store, slot, device } = this.#options
    changes.push(putRecord(nextRecord, nextKey(slot), { next: this.#next }))
    await store.write(changes)
    const { publicKey } = staticKeyFromSeed(seed.seed)
    const signature = device.identity.sign(signedPrekeyStatement(number, publicKey))
    return {
      kind: 'publish-keys',
      signed: { number, key: publicKey, signature },
      oneTime: oneTime.map(([each, { seed: own }]) => ({
        number: each,
        key: staticKeyFromSeed(own).publicKey,
      })),
    }
  }

  #draw(
    kind: string,
    seeds: Map<number, Seed>,
    most: number,
    changes: StoreChange[],
  ): readonly [number: number, seed: Seed] {
    const { random, clock } = this.#options
    const number = this.#next
    this.#next += 1
    const seed = { seed: random.bytes(32), madeAtMs: clock.wallNow() }
    seeds.set(number, seed)
    changes.push(putRecord(seedRecord, this.#key(kind, number), seed))
    for (const oldest of seeds.keys()) {
      if (seeds.size <= most) break
      seeds.delete(oldest)
      changes.push(deleteRecord(this.#key(kind, oldest)))
    }
    return [number, seed]
  }

  // A clock that was set back does not keep a key for ever.
  #ageMs({ madeAtMs }: Seed): number {
    return Math.abs(this.#options.clock.wallNow() - madeAtMs)
  }

  #key(kind: string, number: number): string {
    return `${this.#options.slot}/${kind}/${sortable(number)}`
  }
}

type PublishKey = Omit<PublishKeys, 'id'>

function keyOf(seed: Seed | undefined): StaticKey | undefined {
  return seed === undefined ? undefined : staticKeyFromSeed(seed.seed)
}

function nextKey(slot: string): string {
  return `${slot}/prekey-next`
}
