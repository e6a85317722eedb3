/**
 * Buddies' keys to seal messages with, as the server hands them out, checked. Some are kept at hand, so that a message
 * need not wait for a question first: they are fetched while a live session with the buddy is used, for when it ends.
 */
import { equalBytes } from '../core/bytes.ts'
import type { Clock } from '../core/clock.ts'
import { after, type Instant } from '../core/instant.ts'
import { signedPrekeyStatement, staticKeyStatement } from '../crypto/device-statement.ts'
import { verifySignature } from '../crypto/identity.ts'
import {
  type AccountNumber,
  type DeviceKeys,
  type Keys,
  MAX_TAKEN_PREKEYS,
  type Prekey,
  type SignedPrekey,
} from '../protocol/server/messages.ts'
import { isSameDevice } from './roster.ts'
import type { ServerSession } from './server-session.ts'

/** A signed prekey opens messages for a week after it was replaced; what is a day old is far from that. */
const KEEP_MS = 24 * 3_600_000

/**
 * Where the server had none, or no one-time keys, it is asked again after so long: it gives one of these a minute to a buddy who
 * has taken many (`key-desk.ts`). Until then messages go without.
 */
const AGAIN_AFTER_MS = 60_000

/** Buddies whose keys are kept at hand: 1 KiB each. */
const MOST_BUDDIES = 500

export interface BuddyKeys {
  readonly device: DeviceKeys
  readonly signed: SignedPrekey
  readonly oneTime?: Prekey
}

interface Supply {
  readonly device: DeviceKeys
  readonly signed: SignedPrekey
  readonly oneTime: Prekey[] // ≤ MAX_TAKEN_PREKEYS
  readonly fetchedAt: Instant
}

export class BuddyKeySupply {
  readonly #session: Pick<ServerSession, 'request'>
  readonly #clock: Clock
  readonly #supplies = new Map<AccountNumber, Supply>() // ≤ MOST_BUDDIES, the oldest dropped
  readonly #vainAt = new Map<AccountNumber, Instant>() // ≤ the buddy list
  readonly #fetching = new Map<AccountNumber, Promise<Supply | undefined>>() // ≤ the buddy list

  constructor(session: Pick<ServerSession, 'request'>, clock: Clock) {
    this.#session = session
    this.#clock = clock
  }

  /**
   * Keys for one message, with a one-time key where there is one. `undefined` when what the server hands out is not
   * signed as it must be.
   *
   * @throws HollerError what the server answers, or `SERVER_UNREACHABLE`.
   */
  async forMessage(buddy: AccountNumber): Promise<BuddyKeys | undefined> {
    const known = this.#supplies.get(buddy)
    const isGood =
      known !== undefined &&
      this.#isFresh(known) &&
      (known.oneTime.length > 0 || this.#isVain(buddy))
    const supply = isGood ? known : await this.#fetched(buddy)
    if (supply === undefined) return undefined
    const { device, signed } = supply
    const oneTime = supply.oneTime.shift()
    if (oneTime !== undefined && supply.oneTime.length === 0) void this.prepare(buddy) // never rejects
    return { device, signed, ...(oneTime === undefined ? {} : { oneTime }) }
  }

  /** Messages may want keys soon: some are fetched now where there are none. Never rejects. */
  async prepare(buddy: AccountNumber): Promise<void> {
    const known = this.#supplies.get(buddy)
    const isReady = known !== undefined && this.#isFresh(known) && known.oneTime.length > 0
    if (isReady || this.#isVain(buddy)) return
    await this.#fetched(buddy).catch(() => undefined) // a message that wants them asks again
  }

  /** They could not read what was sealed with these, or have another device now: all but those of this device. */
  forget(buddy: AccountNumber, device?: DeviceKeys): void {
    const known = this.#supplies.get(buddy)
    const isStill = device !== undefined && isSameDevice(known?.device, device)
    if (!isStill) this.#supplies.delete(buddy)
  }

  /** What it was asked last brought no one-time keys; an answer that is under way is waited for. */
  #isVain(buddy: AccountNumber): boolean {
    const vainAt = this.#vainAt.get(buddy)
    if (this.#fetching.has(buddy)) return false
    return vainAt !== undefined && this.#clock.now() < after(vainAt, AGAIN_AFTER_MS)
  }

  #isFresh({ fetchedAt }: Supply): boolean {
    return this.#clock.now() < after(fetchedAt, KEEP_MS)
  }

  /** One question at a time: who comes meanwhile shares its answer. */
  async #fetched(buddy: AccountNumber): Promise<Supply | undefined> {
    const running = this.#fetching.get(buddy)
    if (running !== undefined) return await running
    const fetching = this.#fetch(buddy).finally(() => this.#fetching.delete(buddy))
    this.#fetching.set(buddy, fetching)
    return await fetching
  }

  async #fetch(buddy: AccountNumber): Promise<Supply | undefined> {
    const count = MAX_TAKEN_PREKEYS
    this.#vainAt.set(buddy, this.#clock.now()) // until keys come
    const keys = await this.#session.request({ kind: 'take-keys', of: buddy, count })
    if (keys?.kind !== 'keys' || !isSound(keys)) return undefined
    const { device, signed, oneTime } = keys
    const supply = { device, signed, oneTime: [...oneTime], fetchedAt: this.#clock.now() }
    if (oneTime.length > 0) this.#vainAt.delete(buddy)
    this.#supplies.delete(buddy)
    this.#supplies.set(buddy, supply)
    for (const oldest of this.#supplies.keys()) {
      if (this.#supplies.size <= MOST_BUDDIES) break
      this.#supplies.delete(oldest)
    }
    return supply
  }
}

function isSound({ device, signed }: Keys): boolean {
  const { identity, static: key, staticSignature } = device
  const statement = signedPrekeyStatement(signed.number, signed.key)
  return (
    verifySignature(identity, staticKeyStatement(key), staticSignature) &&
    verifySignature(identity, statement, signed.signature) &&
    !equalBytes(key, signed.key)
  )
}
