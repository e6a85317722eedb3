/**
 * How fast the path delivers (draft-ietf-ccwg-bbr §4.1): each packet remembers what had been delivered when it was sent;
 * its acknowledgement shows what was delivered since, over the longer of the time it took to send that and the time it
 * took to acknowledge it. The same for what was lost meanwhile.
 */
import type { Instant } from '../core/instant.ts'
import type { AckSample, LossSample } from './congestion/controller.ts'
import { sentFlags, type SentPackets } from './sent-packets.ts'

const NONE = -1

export class DeliveryRate {
  #delivered = 0
  #deliveredAt = 0
  #firstSentAt = 0
  #lost = 0
  #appLimitedUntil = 0
  #newest = NONE

  /** All bytes delivered so far. */
  get delivered(): number {
    return this.#delivered
  }

  /** What is sent now is so little that its rate says nothing about the path. */
  get isAppLimited(): boolean {
    return this.#delivered < this.#appLimitedUntil
  }

  markAppLimited(inFlightBytes: number): void {
    this.#appLimitedUntil = this.#delivered + Math.max(inFlightBytes, 1)
  }

  /** After an idle time a new interval begins. */
  handleFirstInFlight(now: Instant): void {
    this.#firstSentAt = now
    this.#deliveredAt = now
  }

  /** `inFlightBytes` counts the packet. */
  handleSent(sent: SentPackets, number: number, inFlightBytes: number): void {
    const [delivered, deliveredAt] = [this.#delivered, this.#deliveredAt]
    sent.noteDelivery(number, delivered, deliveredAt, this.#firstSentAt, inFlightBytes, this.#lost)
  }

  handleLost(bytes: number): void {
    this.#lost += bytes
  }

  /** It was given up and arrived after all. */
  handleSpurious(bytes: number): void {
    this.#lost -= bytes
    this.#delivered += bytes
  }

  /** One of the packets of the ACK that `finishAck` ends. */
  handleAcked(sent: SentPackets, number: number): void {
    this.#delivered += sent.bytes(number)
    this.#newest = Math.max(this.#newest, number)
  }

  /** The packet sent last of all that the ACK acknowledged makes the sample. */
  finishAck(now: Instant, sent: SentPackets, sample: AckSample): void {
    const number = this.#newest
    sample.delivered = this.#delivered
    if (number === NONE) return
    this.#newest = NONE
    const before = sent.deliveredBefore(number)
    const sentAt = sent.sentAt(number)
    const sendElapsed = sentAt - sent.firstSentAtBefore(number)
    const ackElapsed = now - sent.deliveredAtBefore(number)
    const elapsed = Math.max(sendElapsed, ackElapsed)
    sample.priorDelivered = before
    sample.isAppLimited = sent.has(number, sentFlags.appLimited)
    sample.sentInFlightBytes = sent.inFlightAtSending(number)
    sample.lostSinceSentBytes = this.#lost - sent.lostBefore(number)
    sample.deliveryRate = elapsed > 0 ? (this.#delivered - before) / elapsed : 0
    this.#deliveredAt = now
    this.#firstSentAt = sentAt
  }

  /** `number`: the packet sent last of those just found lost. */
  describeLoss(sent: SentPackets, number: number, sample: LossSample): void {
    sample.delivered = this.#delivered
    sample.isAppLimited = sent.has(number, sentFlags.appLimited)
    sample.sentInFlightBytes = sent.inFlightAtSending(number)
    sample.lostSinceSentBytes = this.#lost - sent.lostBefore(number)
  }
}
