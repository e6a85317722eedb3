/**
 * The end of a connection (RFC 9000 §10.2). Whoever closes sends a CLOSE, again after each PTO until the other side has
 * answered with its own, and whenever something still comes; whoever was closed answers once, and whenever something
 * still comes. It is always the same sealed packet: no state is needed but its bytes.
 */
import { after, type Instant } from '../core/instant.ts'

/** RFC 9000 §10.2 keeps closing for three PTOs at least; three copies and a fourth wait for the last answer. */
const COPIES = 4

export class Closing {
  readonly #packet: Uint8Array
  readonly #ptoMs: number
  readonly #endsAt: Instant
  #repeatAt: Instant | undefined
  #copiesLeft: number
  #received = 0
  #isSendDue = true

  /** `repeats`: whether to send again unasked. */
  constructor(now: Instant, packet: Uint8Array, ptoMs: number, repeats: boolean) {
    this.#packet = packet
    this.#ptoMs = ptoMs
    this.#copiesLeft = repeats ? COPIES - 1 : 0
    this.#repeatAt = repeats ? after(now, ptoMs) : undefined
    this.#endsAt = after(now, COPIES * ptoMs)
  }

  get deadline(): Instant {
    return this.#repeatAt ?? this.#endsAt
  }

  isOver(now: Instant): boolean {
    return now >= this.#endsAt
  }

  /** Something came that shows the peer to be unaware: answered at the 1st, 2nd, 4th, 8th … (RFC 9000 §10.2.1). */
  handlePacket(): void {
    this.#received += 1
    if ((this.#received & (this.#received - 1)) === 0) this.#isSendDue = true
  }

  handleTimeout(now: Instant): void {
    if (this.#repeatAt === undefined || this.#repeatAt > now) return
    this.#isSendDue = true
    this.#copiesLeft -= 1
    this.#repeatAt = this.#copiesLeft > 0 ? after(now, this.#ptoMs) : undefined
  }

  pollPacket(): Uint8Array | undefined {
    if (!this.#isSendDue) return undefined
    this.#isSendDue = false
    return this.#packet
  }
}
