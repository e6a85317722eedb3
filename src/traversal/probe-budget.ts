/**
 * What may be sent to an address that has not proved to be the peer's. A buddy may be hostile: name a stranger's
 * address as his own, or send with a stranger's address as the source. The stranger must hardly notice.
 *
 * An address is *proved* when it answers a question of ours: only then does somebody there want our packets. Until
 * then there are two purses:
 * - An address that the peer named as a candidate gets five questions, openers included. The purse is filled again only
 *   by another introduction or a change of network, and not within 30 s: so long the hole stays open that the last
 *   question made. Ports of one IP address share fifteen in 30 s over all sessions; a port
 *   there that proves itself has the purse filled again, once in 30 s (`address-purses.ts`).
 * - Any address gets three times the bytes that came from it in authentic datagrams, the usual bound of amplification
 *   (RFC 9000 §8). A question has 96 bytes and an answer 64, so that one question pays for exactly what it sets off:
 *   three answers and one question back.
 */
import { type Endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import { type AddressPurses, REFILL_MS } from './address-purses.ts'

export const UNPROVED_TARGET_QUESTIONS = 5
const BYTES_FOR_EACH_RECEIVED = 3

interface Purse {
  spent: number
  spentAt: Instant | undefined
}

interface Account {
  isNamed: boolean
  isProved: boolean
  readonly questions: Purse
  /** Left of three times what came. */
  bytes: number
}

export class ProbeBudget {
  readonly #accounts = new Map<EndpointKey, Account>() // ≤ pairs of the agent that owns it: it forgets what it drops
  readonly #addresses: AddressPurses
  #hasStarved = false

  constructor(addresses: AddressPurses) {
    this.#addresses = addresses
  }

  /** Since it was refilled last, a question with a purse of its own was not asked: the one of its IP address was empty. */
  get hasStarved(): boolean {
    return this.#hasStarved
  }

  /** The peer says that it is reached there. Saying it again gives nothing. */
  name(target: Endpoint): void {
    this.#account(target).isNamed = true
  }

  /** An authentic datagram came from there. */
  receive(from: Endpoint, bytes: number): void {
    this.#account(from).bytes += BYTES_FOR_EACH_RECEIVED * bytes
  }

  /** A question of ours was answered from there. */
  prove(now: Instant, target: Endpoint): void {
    const account = this.#account(target)
    if (!account.isProved) {
      this.#addresses.giveBack(target.address, account.questions.spent)
      this.#addresses.forgive(now, target.address)
    }
    account.isProved = true
  }

  isProved(target: Endpoint): boolean {
    return this.#accounts.get(keyOf(target))?.isProved === true
  }

  /** Long silence (RFC 7675 §5.1): what it once proved counts no more; five questions may find it again. */
  withdraw(target: Endpoint): void {
    const account = this.#accounts.get(keyOf(target))
    if (account?.isProved !== true) return
    account.isProved = false
    account.isNamed = true
    account.questions.spent = 0
    account.bytes = 0
  }

  /** The server has introduced us anew, or the network is another one. */
  refill(now: Instant): void {
    this.#hasStarved = false
    for (const { questions } of this.#accounts.values()) {
      const { spentAt } = questions
      if (spentAt !== undefined && now >= after(spentAt, REFILL_MS)) questions.spent = 0
    }
  }

  spendOnQuestion(now: Instant, to: Endpoint, bytes: number): boolean {
    const account = this.#accounts.get(keyOf(to))
    if (account === undefined || account.isProved) return account !== undefined
    const { questions, isNamed } = account
    const hasOwn = isNamed && questions.spent < UNPROVED_TARGET_QUESTIONS
    const mayAsk = hasOwn && this.#addresses.mayAsk(now, to.address)
    this.#hasStarved ||= hasOwn && !mayAsk
    if (!mayAsk) return spendBytes(account, bytes)
    questions.spent += 1
    questions.spentAt = now
    this.#addresses.spend(now, to.address)
    return true
  }

  spendOnAnswer(to: Endpoint, bytes: number): boolean {
    const account = this.#accounts.get(keyOf(to))
    return account !== undefined && (account.isProved || spendBytes(account, bytes))
  }

  forget(target: Endpoint): void {
    this.#accounts.delete(keyOf(target))
  }

  #account(subject: Endpoint): Account {
    const known = this.#accounts.get(keyOf(subject))
    if (known !== undefined) return known
    const questions: Purse = { spent: 0, spentAt: undefined }
    const account: Account = { isNamed: false, isProved: false, questions, bytes: 0 }
    this.#accounts.set(keyOf(subject), account)
    return account
  }
}

function spendBytes(account: Account, bytes: number): boolean {
  if (account.bytes < bytes) return false
  account.bytes -= bytes
  return true
}
