/** What is asked of the server about people: who they are, where they are, and what we have noted of them. */
import { HollerError } from '../core/holler-error.ts'
import type { Params, Person, Result } from '../protocol/control/schema.ts'
import type { AccountNumber } from '../protocol/server/messages.ts'
import type { Located } from '../protocol/server/people-messages.ts'
import type { ServerAnswer } from '../tcp/server-link-event.ts'
import type { Buddy } from './roster.ts'
import type { ServerSession } from './server-session.ts'

export class BuddyDesk {
  readonly #own: AccountNumber
  readonly #session: ServerSession

  constructor(own: AccountNumber, session: ServerSession) {
    this.#own = own
    this.#session = session
  }

  /** @throws HollerError `ACCOUNT_UNKNOWN` where there is nobody of exactly that name. */
  async search(name: string): Promise<Person> {
    const answer = await this.#session.request({ kind: 'search', name })
    const { number, handle } = expected(answer, 'found')
    return { number, handle }
  }

  async online(after: number): Promise<Result<'buddy.online'>> {
    const answer = await this.#session.request({ kind: 'who', after })
    const { people, isLast } = expected(answer, 'online')
    return {
      people: people.map(({ number, handle, name, state }) => {
        return { number, handle, name, presence: state }
      }),
      next: isLast ? null : (people.at(-1)?.number ?? null),
    }
  }

  /** `undefined` where the server does not know, or must not tell. */
  async locate({ number }: Buddy): Promise<Located | undefined> {
    try {
      return expected(await this.#session.request({ kind: 'locate', of: number }), 'located')
    } catch (error) {
      if (error instanceof HollerError && error.code === 'TIMEOUT') return undefined
      throw error
    }
  }

  async move({ number }: Buddy, group: string): Promise<void> {
    await this.#session.request({ kind: 'buddy-move', number, group })
  }

  async note({ number }: Buddy, note: string): Promise<void> {
    await this.#session.request({ kind: 'buddy-note', number, note })
  }

  async profile(of: AccountNumber = this.#own): Promise<Result<'profile.get'>> {
    const answer = await this.#session.request({ kind: 'get-profile', of })
    const { number, name, text, isListed } = expected(answer, 'profile')
    return { number, name, text, ...(isListed === undefined ? {} : { listed: isListed }) }
  }

  /** What is not named stays. */
  async setProfile(wanted: Params<'profile.set'>): Promise<void> {
    const present = await this.profile()
    await this.#session.request({
      kind: 'set-profile',
      name: wanted.name ?? present.name,
      text: wanted.text ?? present.text,
      isListed: wanted.listed ?? present.listed ?? false,
    })
  }
}

function expected<K extends ServerAnswer['kind']>(
  answer: ServerAnswer | undefined,
  kind: K,
): Extract<ServerAnswer, { kind: K }> {
  if (answer?.kind === kind) return answer as Extract<ServerAnswer, { kind: K }>
  throw new HollerError('UNSUPPORTED', 'The server answers something else than was asked')
}
