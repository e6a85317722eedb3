/** What a daemon keeps of what a server has told it: whoever comes back with it is told nothing twice. */
import type {
  PresenceEntry,
  RosterVersion,
  ServerMessage,
} from '../../../src/protocol/server/messages.ts'
import type { Known } from '../../../src/tcp/login.ts'
import { presenceDigest } from '../../../src/tcp/presence-digest.ts'

export type PresenceMessage = Extract<ServerMessage, { kind: 'presence' }>

export class Told {
  readonly #presences = new Map<number, PresenceEntry>() // buddies that are not offline
  #roster: RosterVersion | undefined

  get known(): Omit<Known, 'pass'> {
    return {
      presence: presenceDigest(this.#presences.values()),
      ...(this.#roster === undefined ? {} : { roster: this.#roster }),
    }
  }

  rosterIs(version: RosterVersion | undefined): void {
    if (version !== undefined) this.#roster = version
  }

  hear({ isSnapshot, entries }: PresenceMessage): void {
    if (isSnapshot) this.#presences.clear()
    for (const entry of entries) {
      if (entry.state === 'offline') this.#presences.delete(entry.number)
      else this.#presences.set(entry.number, entry)
    }
  }
}
