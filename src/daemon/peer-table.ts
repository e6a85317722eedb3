/**
 * The sessions of an endpoint: one with a peer at most, and those that are only saying goodbye. Knows by which names
 * their datagrams come, which of them have something to send, and when each wants to be woken.
 */
import { earliest, type Instant } from '../core/instant.ts'
import type { Transmit } from '../core/machine.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import { PeerRoutes } from './peer-routes.ts'
import type { PeerSession } from './peer-session.ts'

/** More buddies than anybody has online at once; each costs some 50 KiB. */
export const MAX_PEERS = 1024

/** They are gone after three seconds each. */
const MAX_CLOSING = 64

export class PeerTable {
  readonly routes = new PeerRoutes()
  readonly #sessions = new Map<AccountNumber, PeerSession>() // ≤ MAX_PEERS, as its owner asks `isFull`
  readonly #closing = new Set<PeerSession>() // ≤ MAX_CLOSING, oldest dropped
  readonly #deadlines = new Map<PeerSession, Instant | undefined>() // ≤ MAX_PEERS + MAX_CLOSING
  readonly #dirty = new Set<PeerSession>() // ≤ MAX_PEERS + MAX_CLOSING

  get isFull(): boolean {
    return this.#sessions.size >= MAX_PEERS
  }

  /** As they are now: what happens to the table meanwhile does not disturb whoever goes through them. */
  get all(): readonly PeerSession[] {
    return [...this.#sessions.values()]
  }

  get(peer: AccountNumber): PeerSession | undefined {
    return this.#sessions.get(peer)
  }

  withKey(key: string): PeerSession | undefined {
    return this.all.find((session) => session.key === key)
  }

  add(session: PeerSession): void {
    this.#sessions.set(session.peer, session)
  }

  /** It has ended; what it still has to say is said. */
  retire(session: PeerSession): void {
    this.#sessions.delete(session.peer)
    this.#closing.add(session)
    const [oldest] = this.#closing
    if (this.#closing.size > MAX_CLOSING && oldest !== undefined) this.#forget(oldest)
  }

  /** To be called after each change of a session. */
  touched(session: PeerSession): void {
    if (session.isFinished || !this.#isKnown(session)) {
      this.#forget(session)
      return
    }
    this.routes.sync(session)
    this.#dirty.add(session)
  }

  due(now: Instant): readonly PeerSession[] {
    const due: PeerSession[] = []
    for (const [session, deadline] of this.#deadlines) {
      if (deadline !== undefined && deadline <= now) due.push(session)
    }
    return due
  }

  pollTransmit(): Transmit | undefined {
    for (const session of this.#dirty) {
      const transmit = session.pollTransmit()
      if (transmit !== undefined) return transmit
      this.#clean(session)
    }
    return undefined
  }

  pollTimeout(): Instant | undefined {
    for (const session of this.#dirty) this.#clean(session)
    let first: Instant | undefined
    for (const deadline of this.#deadlines.values()) first = earliest(first, deadline)
    return first
  }

  // Deadlines move with what is sent, so they are read when all of it is.
  #clean(session: PeerSession): void {
    this.#dirty.delete(session)
    this.#deadlines.set(session, session.pollTimeout())
  }

  #isKnown(session: PeerSession): boolean {
    return this.#sessions.get(session.peer) === session || this.#closing.has(session)
  }

  #forget(session: PeerSession): void {
    this.#closing.delete(session)
    this.routes.remove(session)
    this.#dirty.delete(session)
    this.#deadlines.delete(session)
  }
}
