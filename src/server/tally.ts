/**
 * What happened, counted for those who run the server. Names and results are closed: nothing that a client says becomes
 * one, so counting takes no memory however long it goes on.
 */
import { goodbyeReasons } from '../protocol/server/messages.ts'

export const counted = {
  handshakes: ['whole', 'resumed'],
  logins: [
    'accepted',
    'resumed',
    'resume-refused',
    'auth-failed',
    'account-disabled',
    'rate-limited',
    'other',
  ],
  registrations: ['accepted', 'refused'],
  messages: ['recipient', 'mailbox', 'refused'],
  introductions: ['accepted', 'refused'],
  presence: ['changes', 'deliveries'],
  sessionEnds: [...goodbyeReasons, 'suspended', 'lost'],
  hostile: ['before-login', 'after-login'],
} as const

export type Counted = typeof counted
export type CountedName = keyof Counted

export class Tally {
  readonly #counts = new Map<CountedName, Map<string, number>>() // ≤ the results above

  add<N extends CountedName>(name: N, result: Counted[N][number], count = 1): void {
    const counts = this.#counts.get(name) ?? new Map<string, number>()
    counts.set(result, (counts.get(result) ?? 0) + count)
    this.#counts.set(name, counts)
  }

  count<N extends CountedName>(name: N, result: Counted[N][number]): number {
    return this.#counts.get(name)?.get(result) ?? 0
  }
}
