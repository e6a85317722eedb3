/**
 * What may be sent to an address that has not proved to be the peer's. A buddy may be hostile: name a stranger's
 * address as his own, or send with a stranger's address as the source. The stranger must hardly notice.
 *
 * An address is *proved* when it answers a question of ours: only then does somebody there want our packets. Until
 * then there are two purses:
 * - An address that the peer named as a candidate gets five questions, openers included. Ports of one IP address share
 *   fifteen: enough for a server-reflexive, a mapped and a guessed port. The purse is filled again only by another
 *   introduction or a change of network, and not within 30 s: so long the hole stays open that the last question made.
 * - Any address gets three times the bytes that came from it in authentic datagrams, the usual bound of amplification
 *   (RFC 9000 §8). A question has 96 bytes and an answer 64, so that one question pays for exactly what it sets off:
 *   three answers and one question back.
 */
import { type Endpoint, type EndpointKey, keyOf } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'

export const UNPROVED_TARGET_QUESTIONS = 5
export const UNPROVED_ADDRESS_QUESTIONS = 15
const BYTES_FOR_EACH_RECEIVED = 3

/** The shortest time that NATs and firewalls in use keep a flow without an answer. */
const REFILL_MS = 30_000

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
  readonly #addresses = new Map<string, Purse>() // by IP address; ≤ addresses that were named

  /** The peer says that it is reached there. Saying it again gives nothing. */
  name(target: Endpoint): void {
    this.#account(target).isNamed = true
  }

  /** An authentic datagram came from there. */
  receive(from: Endpoint, bytes: number): void {
    this.#account(from).bytes += BYTES_FOR_EACH_RECEIVED * bytes
  }

  /** A question of ours was answered from there. */
  prove(target: Endpoint): void {
    this.#account(target).isProved = true
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
    const purses = [...this.#accounts.values()].map(({ questions }) => questions)
    for (const purse of [...purses, ...this.#addresses.values()]) {
      if (purse.spentAt !== undefined && now >= after(purse.spentAt, REFILL_MS)) purse.spent = 0
    }
  }

  spendOnQuestion(now: Instant, to: Endpoint, bytes: number): boolean {
    const account = this.#accounts.get(keyOf(to))
    if (account === undefined || account.isProved) return account !== undefined
    const address = this.#purseOf(to.address)
    const mayAsk =
      account.isNamed &&
      account.questions.spent < UNPROVED_TARGET_QUESTIONS &&
      address.spent < UNPROVED_ADDRESS_QUESTIONS
    if (!mayAsk) return spendBytes(account, bytes)
    for (const purse of [account.questions, address]) {
      purse.spent += 1
      purse.spentAt = now
    }
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

  #purseOf(address: string): Purse {
    const known = this.#addresses.get(address)
    if (known !== undefined) return known
    const purse = { spent: 0, spentAt: undefined }
    this.#addresses.set(address, purse)
    return purse
  }
}

function spendBytes(account: Account, bytes: number): boolean {
  if (account.bytes < bytes) return false
  account.bytes -= bytes
  return true
}
