/**
 * Which relay we ask for. The server names some; each is asked by STUN, three times at the login and every five minutes,
 * and the nearest becomes our home. It changes only for one that is 10 ms and a third nearer, so that two that are equally
 * near do not take turns; and at once when it cannot be reached any more, though the others were farther away.
 */
import { toHex } from '../core/bytes.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, earliest, type Instant } from '../core/instant.ts'
import type { Transmit } from '../core/machine.ts'
import type { Random } from '../core/random.ts'
import type { RelayOffer, Relays } from '../protocol/server/messages.ts'
import type { TransactionId } from '../stun/message.ts'
import { type Schedule, type StunOutcome, StunTransactions } from '../stun/transactions.ts'

const MEASURE_EVERY_MS = 5 * 60_000

/** The least of them counts: what is longer waited somewhere. */
const SAMPLES = 3

/** Sent once, so that the answer is to that one; who needs longer is no home. */
const ONCE: Schedule = { sendAtMs: [0], giveUpAtMs: 1_000 }

/** Tailscale's rule for home relays: by both, for 10 ms of 12 are nothing to gain, and a third of 3 ms neither. */
const NEARER_BY_MS = 10
const NEARER_SHARE = 2 / 3

/** What could not be reached, or would not have our tickets, is not asked for during this time. */
const AVOIDED_MS = MEASURE_EVERY_MS

interface Place {
  readonly id: Uint8Array
  readonly endpoint: Endpoint
  readonly offer: RelayOffer | undefined // undefined: the server's own
  samples: number[] // ≤ SAMPLES
  rttMs: number | undefined
  avoidUntil: Instant | undefined
}

export class RelayHome {
  readonly #transactions: StunTransactions
  readonly #asked = new Map<TransactionId, Place>() // ≤ places
  #places: readonly Place[] = [] // ≤ MAX_RELAYS + 1, the server's own first
  #home: Place | undefined
  #measureAt: Instant | undefined

  constructor(random: Random) {
    this.#transactions = new StunTransactions({ random })
  }

  /** What the server said at the login; nothing where its own relay is the only one. */
  setRelays(now: Instant, own: Endpoint | undefined, relays: Relays | undefined): void {
    this.#asked.clear()
    if (own === undefined || relays === undefined) {
      this.#places = []
      this.#home = undefined
      this.#measureAt = undefined
      return
    }
    const before = this.#home && toHex(this.#home.id)
    this.#places = [
      newPlace(relays.own, own, undefined),
      ...relays.offers.map((offer) => newPlace(offer.id, offer.endpoint, offer)),
    ]
    this.#home = this.#places.find(({ id }) => toHex(id) === before) ?? this.#places[0]
    this.#measure(now)
  }

  /** What to name to the server; `undefined` for its own. */
  get chosen(): Uint8Array | undefined {
    return this.#home?.offer?.id
  }

  /** How the relay of that id is reached, where it is not the server's own. */
  offer(id: Uint8Array): RelayOffer | undefined {
    return this.#places.find((place) => toHex(place.id) === toHex(id))?.offer
  }

  /** No channel could be had there, over UDP or TLS. Whether there is another relay to ask for. */
  unreachable(now: Instant, id: Uint8Array): boolean {
    const place = this.#places.find((one) => toHex(one.id) === toHex(id))
    if (place === undefined) return false
    place.avoidUntil = after(now, AVOIDED_MS)
    this.#choose(now)
    return this.#home !== place
  }

  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array): void {
    if (this.#asked.size === 0) return
    this.#transactions.handleDatagram(now, from, bytes)
    this.#settle(now)
  }

  handleTimeout(now: Instant): void {
    this.#transactions.handleTimeout(now)
    this.#settle(now)
    if (this.#measureAt !== undefined && now >= this.#measureAt) this.#measure(now)
  }

  pollTransmit(): Transmit | undefined {
    return this.#transactions.pollTransmit()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#transactions.pollTimeout(), this.#measureAt)
  }

  #measure(now: Instant): void {
    this.#measureAt = after(now, MEASURE_EVERY_MS)
    this.#asked.clear()
    for (const place of this.#places) {
      place.samples = []
      this.#ask(now, place)
    }
  }

  #ask(now: Instant, place: Place): void {
    const id = this.#transactions.request(now, { server: place.endpoint, schedule: ONCE })
    this.#asked.set(id, place)
  }

  #settle(now: Instant): void {
    let outcome: StunOutcome | undefined
    while ((outcome = this.#transactions.pollEvent()) !== undefined) this.#take(now, outcome)
  }

  #take(now: Instant, outcome: StunOutcome): void {
    const place = this.#asked.get(outcome.id)
    if (place === undefined) return
    this.#asked.delete(outcome.id)
    place.samples.push(outcome.kind === 'answered' ? outcome.rttMs : Infinity)
    if (place.samples.length < SAMPLES) this.#ask(now, place)
    else {
      const least = Math.min(...place.samples)
      place.rttMs = Number.isFinite(least) ? least : undefined
    }
    if (this.#asked.size === 0) this.#choose(now)
  }

  #choose(now: Instant): void {
    const isUsable = ({ rttMs, avoidUntil }: Place): boolean =>
      rttMs !== undefined && (avoidUntil === undefined || avoidUntil <= now)
    const nearest = this.#places
      .filter(isUsable)
      .reduce<Place | undefined>((best, place) => (isNearer(place, best) ? place : best), undefined)
    const home = this.#home
    if (home === undefined || nearest === undefined) return
    if (!isUsable(home) || isWorthMoving(home, nearest)) this.#home = nearest
  }
}

function newPlace(id: Uint8Array, endpoint: Endpoint, offer: RelayOffer | undefined): Place {
  return { id, endpoint, offer, samples: [], rttMs: undefined, avoidUntil: undefined }
}

function isNearer(place: Place, best: Place | undefined): boolean {
  return (place.rttMs ?? Infinity) < (best?.rttMs ?? Infinity)
}

function isWorthMoving(
  { rttMs: from = Infinity }: Place,
  { rttMs: to = Infinity }: Place,
): boolean {
  return to <= from - NEARER_BY_MS && to <= from * NEARER_SHARE
}
