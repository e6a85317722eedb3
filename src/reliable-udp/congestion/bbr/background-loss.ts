/**
 * The share of packets that the path loses whatever we do: bad radio, bad cables. Measured while we do not probe and no
 * queue stands, it is not our doing, and only what exceeds it is a sign of congestion. The draft (§5.5.10) knows a fixed
 * threshold alone, beyond which BBRv3 falls to a fraction of a link that loses 5 % at random
 * (test: "A file … at 5 % loss").
 */

/** draft-ietf-ccwg-bbr §2.7: loss of so much more than usual says that too much was under way. */
const LOSS_THRESHOLD = 0.02

/** No more than this is taken for the path's own: whatever loses more is treated as overloaded. */
const MAX_SHARE = 0.1

/** Few packets prove nothing: until so many were seen, the rest of them counts as delivered. */
const PACKETS_OF_EVIDENCE = 100

/** What remains of the evidence after each further round: about 20 rounds are remembered. */
const MEMORY = 0.95

/** So many standard deviations: with fewer, chance alone ends every probe at 5 % loss. */
const DEVIATIONS = 4

export class BackgroundLoss {
  #lost = 0
  #total = 0
  #datagramBytes: number

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes
  }

  get share(): number {
    const evidence = Math.max(this.#total, PACKETS_OF_EVIDENCE * this.#datagramBytes)
    return Math.min(this.#lost / evidence, MAX_SHARE)
  }

  get datagramBytes(): number {
    return this.#datagramBytes
  }

  setDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes
  }

  /** A round in which nothing of ours can have overloaded anything. */
  handleCalmRound(lostBytes: number, ackedBytes: number): void {
    this.#lost = this.#lost * MEMORY + lostBytes
    this.#total = this.#total * MEMORY + lostBytes + ackedBytes
  }

  /** Whether so much lost of `sentBytes` is more than the path's own loss explains. */
  isExceeded(lostBytes: number, sentBytes: number): boolean {
    const { share } = this
    const chance = DEVIATIONS * Math.sqrt(sentBytes * this.#datagramBytes * share)
    return lostBytes > sentBytes * (share + LOSS_THRESHOLD) + chance
  }
}
