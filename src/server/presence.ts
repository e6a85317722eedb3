/**
 * What buddies are told of an account's presence: the latest state wins, at most one change a second, a broken
 * connection is told only after a grace, and invisible looks exactly like offline.
 *
 * A machine without datagrams: changes and time go in, entries to tell come out of `pollEvent`. Who is to hear of
 * them is not its business.
 */
import { after, earliest, type Instant } from '../core/instant.ts'
import { OutboundQueue } from '../core/outbound-queue.ts'
import type { AccountNumber, PresenceEntry, PresenceState } from '../protocol/server/messages.ts'
import { Deadlines } from './deadlines.ts'

/** A daemon that restarts or changes networks is back within seconds, and nobody has noticed. */
export const OFFLINE_GRACE_MS = 10_000

/** One account can neither make its buddies' screens flicker nor the server work for each of them all the time. */
export const PRESENCE_INTERVAL_MS = 1_000

/** What an account chose to be. */
export interface ChosenPresence {
  readonly state: Exclude<PresenceState, 'offline'>
  readonly text: string
}

type Shown = Pick<PresenceEntry, 'state' | 'text'>

interface Standing {
  readonly status: 'connected' | 'grace' | 'gone'
  readonly chosen: ChosenPresence
  readonly told: Shown
  readonly toldAt?: Instant
}

const OFFLINE: Shown = { state: 'offline', text: '' }

export class Presence {
  readonly #standings = new Map<AccountNumber, Standing>() // BOUNDED: accounts with a session, and a grace after it
  readonly #graces = new Deadlines<AccountNumber>()
  readonly #intervals = new Deadlines<AccountNumber>()
  readonly #events = new OutboundQueue<PresenceEntry>()

  /** A session is ready. One that comes back within the grace, or replaces another, keeps what had been chosen. */
  connect(now: Instant, number: AccountNumber, chosen: ChosenPresence): void {
    const standing = this.#standings.get(number)
    this.#graces.delete(number)
    if (standing === undefined) this.#settle(now, number, newcomer(chosen))
    else if (standing.status === 'gone') {
      this.#settle(now, number, { ...standing, status: 'connected', chosen })
    } else this.#settle(now, number, { ...standing, status: 'connected' })
  }

  choose(now: Instant, number: AccountNumber, chosen: ChosenPresence): void {
    const standing = this.#standings.get(number)
    if (standing !== undefined) this.#settle(now, number, { ...standing, chosen })
  }

  /** The connection broke, or was left for a moment: told as offline unless it is back within the grace. */
  disconnect(now: Instant, number: AccountNumber, graceMs = OFFLINE_GRACE_MS): void {
    const standing = this.#standings.get(number)
    if (standing === undefined) return
    this.#standings.set(number, { ...standing, status: 'grace' })
    this.#graces.set(number, after(now, graceMs))
  }

  /** Somebody who was there when the server went down: nobody has been told otherwise, and nobody is unless it stays away. */
  restore(now: Instant, number: AccountNumber, chosen: ChosenPresence, graceMs: number): void {
    const standing: Standing = { ...newcomer(chosen), status: 'grace' }
    this.#standings.set(number, { ...standing, told: shownOf(standing) })
    this.#graces.set(number, after(now, graceMs))
  }

  /** What an account chose that is there, or within its grace. */
  chosen(number: AccountNumber): ChosenPresence | undefined {
    const standing = this.#standings.get(number)
    return standing === undefined || standing.status === 'gone' ? undefined : standing.chosen
  }

  /** The user left: told at once. */
  leave(now: Instant, number: AccountNumber): void {
    const standing = this.#standings.get(number)
    this.#graces.delete(number)
    if (standing !== undefined) this.#settle(now, number, { ...standing, status: 'gone' })
  }

  /** What buddies have last been told; `undefined` for everybody whom they take to be offline. */
  told(number: AccountNumber): PresenceEntry | undefined {
    const told = this.#standings.get(number)?.told
    return told === undefined || told.state === 'offline' ? undefined : { number, ...told }
  }

  /** Whether the account wants to look offline: then nobody may learn otherwise by asking for an introduction. */
  isInvisible(number: AccountNumber): boolean {
    return this.#standings.get(number)?.chosen.state === 'invisible'
  }

  handleTimeout(now: Instant): void {
    for (;;) {
      const number = this.#graces.takeDue(now)
      if (number === undefined) break
      this.leave(now, number)
    }
    for (;;) {
      const number = this.#intervals.takeDue(now)
      if (number === undefined) return
      const standing = this.#standings.get(number)
      if (standing !== undefined) this.#settle(now, number, standing)
    }
  }

  pollEvent(): PresenceEntry | undefined {
    return this.#events.shift()
  }

  pollTimeout(): Instant | undefined {
    return earliest(this.#graces.earliest, this.#intervals.earliest)
  }

  // Tells what has changed, now or when the interval is over; forgets who is gone and known to be.
  #settle(now: Instant, number: AccountNumber, standing: Standing): void {
    const { toldAt } = standing
    const shown = shownOf(standing)
    const freeAt = toldAt === undefined ? now : after(toldAt, PRESENCE_INTERVAL_MS)
    const isTold = shown.state === standing.told.state && shown.text === standing.told.text
    if (isTold && standing.status === 'gone' && freeAt <= now) {
      this.#standings.delete(number)
    } else if (!isTold && freeAt <= now) {
      this.#standings.set(number, { ...standing, told: shown, toldAt: now })
      this.#events.push({ number, ...shown })
      if (standing.status === 'gone') this.#intervals.set(number, after(now, PRESENCE_INTERVAL_MS))
    } else {
      this.#standings.set(number, standing)
      if (freeAt > now) this.#intervals.set(number, freeAt)
    }
  }
}

function newcomer(chosen: ChosenPresence): Standing {
  return { status: 'connected', chosen, told: OFFLINE }
}

function shownOf({ status, chosen }: Standing): Shown {
  if (status === 'gone' || chosen.state === 'invisible') return OFFLINE
  return { state: chosen.state, text: chosen.text }
}
