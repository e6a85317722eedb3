/**
 * Candidates (RFC 8445 §5.1): the addresses where a daemon may be reached, what each is worth, and which of a peer's
 * are worth a packet at all.
 */
import { scopeOf, sharePrefix } from '../core/address-scope.ts'
import { type Endpoint, endpoint, keyOf } from '../core/endpoint.ts'
import { type Candidate, MAX_CANDIDATES } from '../protocol/server/messages.ts'

/**
 * What a target is to us. In the order in which targets are probed: the likeliest to be both reachable and good first.
 * `port-guess` is the peer's public address with the port of its own socket: right where a NAT preserves ports but
 * another socket was measured. `predicted` is a port that an attempt found (`attempt.ts`). `elsewhere` is a private address
 * of no network that we know to be ours.
 */
export const targetKinds = [
  'lan',
  'ipv6',
  'mapped',
  'server-reflexive',
  'port-guess',
  'peer-reflexive',
  'predicted',
  'elsewhere',
] as const

export type TargetKind = (typeof targetKinds)[number]

/** An address of the peer that may be probed. */
export interface Target {
  readonly kind: TargetKind
  readonly endpoint: Endpoint
}

export type PathPolicy = 'auto' | 'lan' | 'relay'

// Networks are told apart by these prefixes: the usual size of one LAN, since candidates carry no netmask.
const LAN_PREFIX = { 4: 24, 6: 64 } as const

/** What our own candidates tell about where we are. */
export class Surroundings {
  readonly #hosts: readonly Endpoint[]
  readonly #publicAddresses: ReadonlySet<string>

  constructor(local: readonly Candidate[]) {
    this.#hosts = local.filter(({ kind }) => kind === 'host').map((host) => host.endpoint)
    this.#publicAddresses = new Set(
      local.filter(({ kind }) => kind !== 'host').map((reflexive) => reflexive.endpoint.address),
    )
  }

  /** In the network of one of our interfaces, as far as addresses can tell. */
  isNeighbour(subject: Endpoint): boolean {
    return this.#hosts.some((host) => sharePrefix(host, subject, LAN_PREFIX[subject.family]))
  }

  /** Behind the very address that the world sees us under: the same NAT, or the same host. */
  isOwnPublicAddress({ address }: Endpoint): boolean {
    return this.#publicAddresses.has(address)
  }

  /** Whether a path to it stays inside: what the policy `lan` allows. */
  isInside(subject: Endpoint): boolean {
    const scope = scopeOf(subject)
    return scope === 'private' || scope === 'loopback' || this.isNeighbour(subject)
  }

  /**
   * Whether a packet to it could do any good. Loopback is for those who offer it themselves (everything on one
   * machine); private addresses are for those who have one; link-local IPv6 would need a zone.
   */
  isReachable(subject: Endpoint): boolean {
    if (subject.port === 0) return false
    const scope = scopeOf(subject)
    switch (scope) {
      case 'unusable':
        return false
      case 'link-local':
        return subject.family === 4 && this.#hasScope('link-local', 4)
      case 'loopback':
      case 'private':
        return this.#hasScope(scope, subject.family)
      case 'shared':
      case 'global':
        return true
    }
  }

  #hasScope(scope: ReturnType<typeof scopeOf>, family: 4 | 6): boolean {
    return this.#hosts.some((host) => host.family === family && scopeOf(host) === scope)
  }
}

/** Host addresses in the order in which they are offered: VPNs, container bridges and link-local last. */
export function hostCandidates(addresses: readonly string[], port: number): readonly Candidate[] {
  const endpoints = addresses.flatMap((address) => {
    const made = endpoint(address, port)
    return made.ok && isOfferable(made.value) ? [made.value] : []
  })
  const ranked = endpoints.map((host) => ({ host, rank: hostRank(host) }))
  ranked.sort((a, b) => a.rank - b.rank) // stable: the system's own order within a rank
  return ranked.map(({ host }) => ({ kind: 'host', endpoint: host }))
}

/**
 * What the server is told: nothing twice, at most `MAX_CANDIDATES`. Hosts may fill half of them: a machine full of
 * bridges must not crowd out the one address that the world sees. Without a NAT one endpoint is both host and
 * server-reflexive, and stays both (RFC 8445 §5.1.3 would drop one): the one tells where we are, the other how we are seen.
 */
export function offered(candidates: readonly Candidate[]): readonly Candidate[] {
  const distinct = [
    ...new Map(candidates.map((c) => [`${c.kind} ${keyOf(c.endpoint)}`, c])).values(),
  ]
  const hosts = distinct.filter(({ kind }) => kind === 'host')
  const others = distinct.filter(({ kind }) => kind !== 'host')
  const hostRoom = Math.max(MAX_CANDIDATES / 2, MAX_CANDIDATES - others.length)
  return [...hosts.slice(0, hostRoom), ...others].slice(0, MAX_CANDIDATES)
}

/**
 * RFC 8445 §5.1.1.3: candidates of one foundation are of one kind and one address. Several ports of one foundation
 * mean that the NAT gives each destination its own: see `hasDependentMapping`.
 */
export function foundationOf({ kind, endpoint: { address } }: Candidate): string {
  return `${kind} ${address}`
}

/** Do these candidates betray a NAT whose mapping depends on the destination? Needs two servers that answered. */
export function hasDependentMapping(candidates: readonly Candidate[]): boolean {
  const reflexive = candidates.filter(({ kind }) => kind === 'server-reflexive')
  const foundations = new Set(reflexive.map(foundationOf))
  return new Set(reflexive.map((c) => keyOf(c.endpoint))).size > foundations.size
}

/** The peer's candidates as targets, best first, without what policy and surroundings forbid. */
export function targetsOf(
  remote: readonly Candidate[],
  around: Surroundings,
  policy: PathPolicy,
): readonly Target[] {
  if (policy === 'relay') return []
  const targets = new Map<string, Target>()
  for (const target of [...remote.map((c) => asTarget(c, around)), ...portGuesses(remote)]) {
    const key = keyOf(target.endpoint)
    if (!targets.has(key) && mayProbe(target.endpoint, around, policy)) targets.set(key, target)
  }
  return [...targets.values()].sort((a, b) => rankOf(a.kind) - rankOf(b.kind))
}

export function rankOf(kind: TargetKind): number {
  return targetKinds.indexOf(kind)
}

/** Whether anything may be sent there: the rule for candidates and for addresses that packets came from. */
export function mayProbe(subject: Endpoint, around: Surroundings, policy: PathPolicy): boolean {
  if (policy === 'relay' || !around.isReachable(subject)) return false
  return policy === 'auto' || around.isInside(subject)
}

function asTarget({ kind, endpoint: remote }: Candidate, around: Surroundings): Target {
  if (kind !== 'host') return { kind, endpoint: remote }
  if (around.isNeighbour(remote)) return { kind: 'lan', endpoint: remote }
  if (scopeOf(remote) !== 'global') return { kind: 'elsewhere', endpoint: remote }
  return { kind: remote.family === 6 ? 'ipv6' : 'mapped', endpoint: remote }
}

function portGuesses(remote: readonly Candidate[]): Target[] {
  const hostPorts = new Set(
    remote.filter(({ kind }) => kind === 'host').map((host) => host.endpoint.port),
  )
  const reflexive = remote.filter(({ kind }) => kind === 'server-reflexive')
  return reflexive.flatMap(({ endpoint: seen }) =>
    [...hostPorts].map((port) => ({ kind: 'port-guess', endpoint: { ...seen, port } }) as const),
  )
}

function isOfferable(host: Endpoint): boolean {
  return scopeOf(host) !== 'unusable' && !(host.family === 6 && scopeOf(host) === 'link-local')
}

function hostRank(host: Endpoint): number {
  const scope = scopeOf(host)
  if (scope === 'link-local' || scope === 'loopback') return 3
  if (scope === 'shared' || isBridge(host)) return 2 // 100.64/10 on an interface is an overlay VPN, hardly a carrier
  return host.family === 6 ? 1 : 0
}

/** The host's end of docker's and libvirt's default networks. Nobody else is there. */
function isBridge({ address }: Endpoint): boolean {
  return /^172\.(1[7-9]|2\d|3[01])\.0\.1$/.test(address) || address === '192.168.122.1'
}
