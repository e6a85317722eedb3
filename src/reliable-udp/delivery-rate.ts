/**
 * How fast the path delivers (draft-ietf-ccwg-bbr §4.1.2): each packet remembers what had been delivered when it was
 * sent; its acknowledgement shows what was delivered since, over the longer of the time it took to send that and the
 * time it took to acknowledge it.
 */
import type { Instant } from '../core/instant.ts'
import type { AckSample } from './congestion/controller.ts'
import { sentFlags, type SentPackets } from './sent-packets.ts'

export class DeliveryRate {
  #delivered = 0
  #deliveredAt = 0
  #firstSentAt = 0
  #appLimitedUntil = 0

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

  handleSent(sent: SentPackets, number: number): void {
    sent.noteDelivery(number, this.#delivered, this.#deliveredAt, this.#firstSentAt)
  }

  /** The newest packet of an ACK, the one sent with most delivered, makes the sample. */
  handleAcked(sent: SentPackets, number: number, sample: AckSample): void {
    this.#delivered += sent.bytes(number)
    const before = sent.deliveredBefore(number)
    if (before < sample.priorDelivered) return
    const sentAt = sent.sentAt(number)
    const sendElapsed = sentAt - sent.firstSentAtBefore(number)
    const ackElapsed = sample.now - sent.deliveredAtBefore(number)
    const elapsed = Math.max(sendElapsed, ackElapsed)
    sample.priorDelivered = before
    sample.isAppLimited = sent.has(number, sentFlags.appLimited)
    sample.deliveryRate = elapsed > 0 ? (this.#delivered - before) / elapsed : 0
    this.#deliveredAt = sample.now
    this.#firstSentAt = sentAt
  }
}
