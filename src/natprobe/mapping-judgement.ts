/** What the mapped addresses of one socket, as seen from several endpoints, say about the NAT (RFC 4787 §4.1). */
import { type Endpoint, keyOf, sameEndpoint } from '../core/endpoint.ts'
import { scopeOf } from './address-scope.ts'
import { judged, type Judgement, type MappingValue, unknown } from './finding.ts'

/** The socket, seen from one endpoint of a server. */
export interface Observation {
  readonly to: Endpoint
  readonly server: Endpoint
  readonly mapped: Endpoint
}

export interface MappingCircumstances {
  readonly localPort: number
  readonly isOwn: (mapped: Endpoint) => boolean
  /** The server that was asked on all its endpoints. */
  readonly full: Endpoint | undefined
}

/** Plain servers prove little one by one: they may stand behind the same NAT as we do, or be wrong. */
const PLAIN_SERVERS_NEEDED = 3

/** RFC 5780's four endpoints agree: only a NAT whose behaviour depends on the time could fool this. */
const CERTAIN = 0.99

/**
 * A NAT that keeps the port looks endpoint-independent as long as no two hosts collide, even where it would give each
 * destination another port then (Linux masquerade).
 */
const PORT_PRESERVED = 0.8

export function judgeMapping(
  observed: readonly Observation[],
  circumstances: MappingCircumstances,
): Judgement<MappingValue> {
  if (observed.length === 0) return unknown('no server answered')
  const { full, isOwn } = circumstances
  const fromFull = observed.filter(({ server }) => full !== undefined && sameEndpoint(server, full))
  const { credible, notes } =
    fromFull.length > 1 ? { credible: fromFull, notes: [] } : plain(observed)
  if (credible.every(({ mapped }) => isOwn(mapped))) return judged('none', CERTAIN, ...notes)
  const judgement =
    distinctCount(credible.map(({ mapped }) => keyOf(mapped))) === 1
      ? judgeSame(credible, circumstances, fromFull.length > 1)
      : judgeDifferent(credible, fromFull.length > 1)
  return { ...judgement, notes: [...notes, ...judgement.notes] }
}

function judgeSame(
  observed: readonly Observation[],
  { localPort }: MappingCircumstances,
  isFull: boolean,
): Judgement<MappingValue> {
  const addresses = distinctCount(observed.map(({ to }) => to.address))
  if (addresses === 1) {
    return observed.length > 1
      ? judged(
          'eim-or-adm',
          0.9,
          'one server address cannot show whether another one is mapped alike',
        )
      : unknown('one answer shows a mapping, not what it depends on')
  }
  if (!isFull && addresses < PLAIN_SERVERS_NEEDED) {
    return unknown(`${addresses} servers answered, of ${PLAIN_SERVERS_NEEDED} that are needed`)
  }
  const certainty = isFull ? CERTAIN : 0.9
  if (observed.some(({ mapped }) => mapped.port !== localPort)) {
    return judged('endpoint-independent', certainty)
  }
  return judged(
    'endpoint-independent',
    Math.min(certainty, PORT_PRESERVED),
    'the NAT keeps ports: where two hosts use the same one, it may map by destination',
  )
}

function judgeDifferent(
  observed: readonly Observation[],
  isFull: boolean,
): Judgement<MappingValue> {
  const byAddress = groupByAddress(observed)
  const groups = [...byAddress.values()].filter(({ length }) => length > 1)
  const differsByPort = groups.some((group) => distinctCount(group.map((o) => keyOf(o.mapped))) > 1)
  if (differsByPort) return judged('address-and-port-dependent', CERTAIN)
  if (groups.length === byAddress.size) return judged('address-dependent', CERTAIN)
  if (groups.length > 0) return judged('address-dependent', 0.9)
  if (isFull) return unknown('the server did not answer on all its addresses and ports')
  return judged(
    'address-and-port-dependent',
    0.6,
    'depends on the destination; these servers cannot tell whether on its port too',
  )
}

function groupByAddress(
  observed: readonly Observation[],
): ReadonlyMap<string, readonly Observation[]> {
  const groups = new Map<string, Observation[]>()
  for (const observation of observed) {
    const group = groups.get(observation.to.address) ?? []
    groups.set(observation.to.address, [...group, observation])
  }
  return groups
}

// ---- Plain servers: believe the majority -----------------------------------------------------------------------------

function plain(observed: readonly Observation[]): {
  readonly credible: readonly Observation[]
  readonly notes: readonly string[]
} {
  const outside = withoutInsiders(observed)
  const credible = withMajority(outside)
  const left = observed.length - credible.length
  const notes = left === 0 ? [] : [`${left} answers disagree with the others and were left out`]
  return { credible, notes }
}

/** A server behind the same NAT, or one that is misled, names a private address where the others name a public one. */
function withoutInsiders(observed: readonly Observation[]): readonly Observation[] {
  const outside = observed.filter(({ mapped }) => scopeOf(mapped) === 'public')
  return outside.length === 0 ? observed : outside
}

/** The one that names another public address than all the others, three or more, is not believed. */
function withMajority(observed: readonly Observation[]): readonly Observation[] {
  const needed = Math.max(PLAIN_SERVERS_NEEDED, observed.length - 1)
  for (const { mapped } of observed) {
    const agreeing = observed.filter((other) => other.mapped.address === mapped.address)
    if (agreeing.length >= needed) return agreeing
  }
  return observed
}

function distinctCount(values: readonly string[]): number {
  return new Set(values).size
}
