/**
 * How two people come together: first over the relay alone, by which one relay trip is measured, then with everything
 * allowed. All times are from one machine's clock: from the request on one control socket to the event on another.
 */
import type { ControlEvent, PathView } from '../../src/protocol/control/schema.ts'
import { type Person, seesOnline } from '../support/household.ts'
import { quantile } from '../../scripts/lab/quantile.ts'
import { handleOf, send } from './letters.ts'
import type { Home } from '../../scripts/lab/homes.ts'
import type { Resident } from './town.ts'

export interface Meeting {
  /** The best that they got: a direct path may yield to a relay that is faster for the moment. */
  readonly path: 'lan' | 'direct' | 'relay'
  readonly relay: PathView['relay']
  readonly reason: string
  readonly strategies: readonly string[]
  /** What each side tried beyond plain probes, the asking one first. */
  readonly attempts: readonly [PathView['attempts'], PathView['attempts']]
  /** From a `message.send` to its `message.received` over a session that lives on the relay; the median of some. */
  readonly relayTripMs: number
  /** The same for the first message, while no session lived. */
  readonly firstMessageMs: number
  /** From sending the first message until both talked directly. */
  readonly directMs?: number
}

/** Enough for a median that one late disk write does not move. */
const RELAY_TRIPS = 5

/** Everything that a pair may try, the slowest attempt included. */
const SETTLE_MS = 60_000

/** It takes 6 s on a machine that has time. */
const NAT_TEST_MS = 30_000

/** From a path to the event that tells of it. */
const EVENT_MS = 5_000

/** There is or was a direct path: the relay is faster for the moment, or a busy machine let its answers wait too long. */
const HAD_DIRECT = new Set(['direct-slower', 'direct-lost'])

/** Reasons of a path that is still being looked for. */
const UNSETTLED = new Set(['waiting-for-introduction', 'punching'])

/**
 * They become buddies who use the relay alone: with all paths allowed they would use up now what strangers' addresses
 * may be asked, and `meet` would measure who has nothing left.
 */
export async function acquaint(
  { person: a }: Resident<Home>,
  { person: b }: Resident<Home>,
): Promise<void> {
  await Promise.all([isOnline(a), isOnline(b)])
  const askedAt = Date.now()
  await a.request('buddy.add', { buddy: b.name })
  await a.eventually(`${b.name} in the list`, () => a.buddy(b.name))
  await a.request('buddy.setPolicy', { buddy: b.name, path: 'relay' })
  await b.event(
    `a buddy request of ${a.name}`,
    ({ type, at, data }) =>
      type === 'buddy.request' && handleOf(data['from']) === a.name && Date.parse(at) >= askedAt,
  )
  await b.request('buddy.accept', { buddy: a.name })
  await Promise.all([seesOnline(a, b), seesOnline(b, a)])
}

/** Both are acquainted. What their routers know of each other is forgotten first. */
export async function meet(a: Resident<Home>, b: Resident<Home>): Promise<Meeting> {
  await Promise.all([knowsItsNat(a.person), knowsItsNat(b.person)])
  await a.person.request('buddy.setPolicy', { buddy: b.person.name, path: 'relay' })
  await bothReach(a.person, b.person, ['relay'])
  const relayTripMs = await relayTrip(a.person, b.person)
  await forgetEachOther(a, b)
  const startedAt = Date.now()
  await a.person.request('buddy.setPolicy', { buddy: b.person.name, path: 'auto' })
  const sentAt = Date.now()
  const firstMessageMs = await send(a.person, b.person)
  const [pathOfA, pathOfB] = await Promise.all([
    settled(a.person, b.person),
    settled(b.person, a.person),
  ])
  await Promise.all([send(a.person, b.person), send(b.person, a.person)])
  const { kind, reason, relay, strategies } = pathOfA
  const attempts = [pathOfA.attempts, pathOfB.attempts] as const
  const measured = { reason, relay, strategies, attempts, relayTripMs, firstMessageMs }
  if (![pathOfA, pathOfB].every(wasDirect)) return { path: 'relay', ...measured }
  const directAt = await Promise.all([
    firstDirect(a.person, b.person, startedAt),
    firstDirect(b.person, a.person, startedAt),
  ])
  const directMs = Math.max(...directAt) - sentAt
  return { path: kind === 'lan' ? 'lan' : 'direct', ...measured, directMs }
}

export async function isOnline(person: Person): Promise<void> {
  await person.eventually(
    'a session with the server',
    async () => {
      const { session } = await person.request('status.get', {})
      return session === 'online' ? session : undefined
    },
    SETTLE_MS,
  )
}

export async function bothReach(
  a: Person,
  b: Person,
  kinds: readonly PathView['kind'][],
  withinMs = SETTLE_MS,
): Promise<void> {
  await Promise.all([a.pathOfKind(b.name, kinds, withinMs), b.pathOfKind(a.name, kinds, withinMs)])
}

/** Events that tell of a direct path to this buddy. */
export function isDirectChange({ type, data }: ControlEvent, buddy: Person): boolean {
  if (type !== 'path.changed' || handleOf(data['buddy']) !== buddy.name) return false
  return data['to'] === 'direct' || data['to'] === 'lan'
}

/** Its NAT is tested in the first seconds after a daemon has come online; where the server cannot tell, it goes without. */
export async function knowsItsNat({ daemon: { stderr } }: Person): Promise<void> {
  const isTested = (): true | undefined =>
    stderr.find(/The NAT was tested/) === undefined ? undefined : true
  await stderr.waiters.until(isTested, NAT_TEST_MS, () => '').catch(() => undefined)
}

async function relayTrip(a: Person, b: Person): Promise<number> {
  const trips: number[] = []
  for (let count = 0; count < RELAY_TRIPS; count++) trips.push(await send(a, b))
  return quantile(trips, 0.5)
}

async function forgetEachOther(a: Resident<Home>, b: Resident<Home>): Promise<void> {
  await Promise.all([
    ...a.home.gateways.map((gateway) => gateway.forget(b.home.addresses)),
    ...b.home.gateways.map((gateway) => gateway.forget(a.home.addresses)),
  ])
}

async function settled(one: Person, other: Person): Promise<PathView> {
  return one.eventually(
    `a settled path to ${other.name}`,
    async () => {
      const path = await one.request('net.path', { buddy: other.name })
      if (isDirect(path.kind)) return path
      return path.kind === 'relay' && !UNSETTLED.has(path.reason) ? path : undefined
    },
    SETTLE_MS,
  )
}

async function firstDirect(one: Person, other: Person, since: number): Promise<number> {
  const { at } = await one.event(
    `that the path to ${other.name} is direct`,
    (event) => isDirectChange(event, other) && Date.parse(event.at) >= since,
    EVENT_MS,
  )
  return Date.parse(at)
}

function wasDirect({ kind, reason }: PathView): boolean {
  return isDirect(kind) || HAD_DIRECT.has(reason)
}

function isDirect(kind: PathView['kind']): boolean {
  return kind === 'direct' || kind === 'lan'
}
