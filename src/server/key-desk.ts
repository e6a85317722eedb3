/**
 * Prekeys handed in and handed out, and the key logs. Only accepted buddies are given any; who takes them too fast gets
 * the signed one alone, so that nobody can use up another's supply.
 */
import type { Instant } from '../core/instant.ts'
import { signedPrekeyStatement } from '../crypto/device-statement.ts'
import { verifySignature } from '../crypto/identity.ts'
import {
  type KeyLog,
  type Keys,
  type KeysLeft,
  type LoggedKeys,
  MAX_KEY_LOG_PAGE,
  type PublishKeys,
  type TakeKeys,
} from '../protocol/server/messages.ts'
import { equalBytes } from '../core/bytes.ts'
import { type Answer, done, rateLimited, type Refusal, refused } from './answer.ts'
import type { Directory } from './directory.ts'
import type { OnlineAccount } from './online-account.ts'
import type { KeyStore } from './store/key-store.ts'
import { type BucketShape, TokenBuckets } from './token-buckets.ts'

/** One-time prekeys for one buddy from another: a lively day of messages to somebody who is away. */
const ONE_TIME_FOR_BUDDY: BucketShape = { burst: 32, everyMs: 60_000 }

/** Questions of one account for keys. */
const QUESTIONS: BucketShape = { burst: 200, everyMs: 500 }

/** With fewer than these left, the owner is told. */
const FEW_LEFT = 10

export class KeyDesk {
  readonly #store: KeyStore
  readonly #directory: Directory
  readonly #oneTime = new TokenBuckets(ONE_TIME_FOR_BUDDY)
  readonly #questions = new TokenBuckets(QUESTIONS)

  constructor(store: KeyStore, directory: Directory) {
    this.#store = store
    this.#directory = directory
  }

  async publish(from: OnlineAccount, { signed, oneTime }: PublishKeys): Promise<Answer> {
    const statement = signedPrekeyStatement(signed.number, signed.key)
    if (!verifySignature(from.device.identity, statement, signed.signature)) {
      return refused('malformed', 'The prekey is not signed by the device')
    }
    const isKept = await this.#store.publish(from.number, from.device, signed, oneTime)
    return isKept ? done : refused('too-many', 'There are enough prekeys')
  }

  async take(now: Instant, from: OnlineAccount, message: TakeKeys): Promise<Keys | Refusal> {
    const { id, of, count } = message
    if (!from.isBuddy(of)) return refused('not-buddies', 'Only buddies are given keys')
    const rateKey = String(from.number)
    if (!this.#questions.take(now, rateKey)) {
      return rateLimited(this.#questions.waitMs(now, rateKey))
    }
    const pair = `${from.number} ${of}`
    let allowed = 0
    while (allowed < count && this.#oneTime.take(now, pair)) allowed += 1
    const taken = await this.#store.take(of, allowed)
    if (taken === undefined) return refused('not-found', 'They have published no keys')
    if (taken.oneTime.length > 0) await this.#warn(of)
    return { kind: 'keys', id, ...taken }
  }

  async log(now: Instant, from: OnlineAccount, message: KeyLog): Promise<LoggedKeys | Refusal> {
    const { id, of, after } = message
    if (of !== from.number && !from.isBuddy(of)) {
      return refused('not-buddies', 'Only buddies are shown the log')
    }
    const rateKey = String(from.number)
    if (!this.#questions.take(now, rateKey)) {
      return rateLimited(this.#questions.waitMs(now, rateKey))
    }
    const entries = await this.#store.log(of, after, MAX_KEY_LOG_PAGE)
    return { kind: 'logged-keys', id, isLast: entries.length < MAX_KEY_LOG_PAGE, entries }
  }

  /** What the server has of this session's device. */
  async left({ number, device }: OnlineAccount): Promise<KeysLeft> {
    const supply = await this.#store.supply(number)
    if (supply === undefined || !equalBytes(supply.device.identity, device.identity)) {
      return { kind: 'keys-left', oneTime: 0 }
    }
    return { kind: 'keys-left', oneTime: supply.oneTime, signed: supply.signed.number }
  }

  async #warn(owner: number): Promise<void> {
    const account = this.#directory.ready(owner)
    if (account === undefined) return
    const left = await this.left(account)
    if (left.oneTime < FEW_LEFT) account.session.send(left)
  }
}
