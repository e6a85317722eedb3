/**
 * Buddies' keys to seal messages with, as the server hands them out, checked. Some are kept at hand, so that a message
 * need not wait for a question first.
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
import type { ServerSession } from './server-session.ts'

/** A signed prekey opens messages for a week after it was replaced; what is a day old is far from that. */
const KEEP_MS = 24 * 3_600_000

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
  readonly until: Instant
}

export class BuddyKeySupply {
  readonly #session: ServerSession
  readonly #clock: Clock
  readonly #supplies = new Map<AccountNumber, Supply>() // ≤ MOST_BUDDIES, the oldest dropped

  constructor(session: ServerSession, clock: Clock) {
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
      known !== undefined && known.until > this.#clock.now() && known.oneTime.length > 0
    const supply = isGood ? known : await this.#fetch(buddy)
    if (supply === undefined) return undefined
    const { device, signed } = supply
    const oneTime = supply.oneTime.shift()
    return { device, signed, ...(oneTime === undefined ? {} : { oneTime }) }
  }

  /** They could not read what was sealed with these, or have another device now. */
  forget(buddy: AccountNumber): void {
    this.#supplies.delete(buddy)
  }

  async #fetch(buddy: AccountNumber): Promise<Supply | undefined> {
    const count = MAX_TAKEN_PREKEYS
    const keys = await this.#session.request({ kind: 'take-keys', of: buddy, count })
    if (keys?.kind !== 'keys' || !isSound(keys)) return undefined
    const { device, signed, oneTime } = keys
    const until = after(this.#clock.now(), KEEP_MS)
    const supply = { device, signed, oneTime: [...oneTime], until }
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
