import { silentLogger } from '../../../src/core/logger.ts'
import { systemRandom } from '../../../src/io/random.ts'
import { systemClock } from '../../../src/io/system-clock.ts'
import { type RunningServer, startServer } from '../../../src/server/server.ts'
import { PASSWORD, type Somebody } from './somebody.ts'

/** A server in this process that anybody may register at; without a port, at any. */
export async function startLoopbackServer(dataDirectory: string, port = 0): Promise<RunningServer> {
  return await startServer({
    dataDirectory,
    listen: { host: '127.0.0.1', port },
    udp: { host: '127.0.0.1', port: 0 },
    isRegistrationOpen: true,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
}

/** Starts somebody, and gives them an account. */
export async function register(
  person: Somebody,
  { link }: RunningServer,
  handle: string,
): Promise<Somebody> {
  await person.start()
  await person.daemon.register({ server: link, handle, password: PASSWORD })
  return person
}

/** Resolves when each has the other on the list, and sees them online. */
export async function befriend(one: Somebody, other: Somebody): Promise<void> {
  const [ones, others] = [one.daemon.requireAccount(), other.daemon.requireAccount()]
  await ones.requestBuddy(others.person.handle, 'it is me')
  await other.event('buddy.request')
  await others.answerBuddy(others.archive.roster.require(ones.person.number), 'buddy-accept')
  for (const [person, buddy] of [
    [one, others.person],
    [other, ones.person],
  ] as const) {
    await person.event('buddy.changed', ({ data }) => data['state'] === 'accepted')
    const { presence } = person.daemon.requireAccount()
    const isThere = (): true | undefined => presence.isOnline(buddy.number) || undefined
    await person.until(isThere, `${buddy.handle} online`)
  }
}
