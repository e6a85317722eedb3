/**
 * Openers: the first datagrams towards a peer, with a time-to-live that takes them through our own NAT and no further.
 * They open our side before the peer's first probe knocks.
 *
 * The first leaves as soon as there is a target, before T0: it dies on the way, so it cannot come too early, and the
 * two daemons need not wake at the same moment. Test: "100 ms after the other" in path-agent.sim.ts.
 *
 * Why that matters: on a Linux masquerade router whose INPUT chain accepts, a probe that comes before we have sent is
 * taken by the router itself; from then on our public port is not free towards that peer, our packets leave from
 * another one, and the peer's filter drops them: punching fails for ever, though both NATs are endpoint-independent.
 * Test: "a poisonable router" in path-agent.sim.ts.
 */
import { scopeOf } from '../core/address-scope.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { after, type Instant } from '../core/instant.ts'
import type { Surroundings } from './candidate.ts'

/** Our own NATs and one hop more: home router, carrier NAT, and two to spare; internet paths are longer than that. */
export const DEFAULT_OPENER_TTL = 4

/** What loses one packet to Wi-Fi is over by then. */
const OPENER_GAP_MS = 10

/** Two, since one may be lost before it reaches the NAT (Wi-Fi): at once and at T0, or soon after where T0 is past. */
export function openerTimes(now: Instant, startAt: Instant): readonly Instant[] {
  const soon = after(now, OPENER_GAP_MS)
  return [now, startAt > soon ? startAt : soon]
}

/**
 * Only where a NAT stands between us. To a private address, a neighbour or our own NAT's address there are few hops:
 * an opener would arrive like any probe and only use up packets.
 */
export function deservesOpener(target: Endpoint, around: Surroundings): boolean {
  const scope = scopeOf(target)
  const isPublic = scope === 'global' || scope === 'shared'
  return isPublic && !around.isNeighbour(target) && !around.isOwnPublicAddress(target)
}
