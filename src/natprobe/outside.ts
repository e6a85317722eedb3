/** What is found out beside the tests by STUN: over TCP, from the gateway, from the name server. Judged here, purely. */
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import { addressBytes, endpointOfBytes } from '../core/address-bytes.ts'
import { scopeOf } from '../core/address-scope.ts'

/** Of one port of one server: connected; refused, by the server or by a firewall in its name; or nothing came back. */
export interface TcpAnswer {
  readonly server: Endpoint
  readonly outcome: 'connected' | 'refused' | 'silent'
}

/** Of an address at which nobody can be (RFC 5737, RFC 3849): the status of an HTTP answer, if one came. */
export interface NobodysAnswer {
  readonly address: string
  readonly status: number | undefined
}

export const portMappingValues = [
  /** A server outside reached us through the mapping. */
  'works',
  /** The gateway granted it, and nothing came through. */
  'not-forwarded',
  'unavailable',
] as const

export interface PortMappingFinding {
  readonly value: (typeof portMappingValues)[number]
  readonly confidence: number
  /** Of `unavailable`. */
  readonly why?: string
  /** As the gateway says. */
  readonly external?: string
  /** Where the server reached us. */
  readonly reachedAt?: string
  readonly lifetimeMs?: number
  readonly isPermanent?: boolean
}

export interface PortMappingReport {
  readonly gateway: string
  readonly pcp: PortMappingFinding
  readonly natPmp: PortMappingFinding
  readonly upnp: PortMappingFinding
  /** The gateway's own outer address is another network's inner one, or not the one that the world sees. */
  readonly doubleNat?: { readonly value: boolean; readonly confidence: number }
}

/** Of the path to the host of another report. `relay` with a reason where nothing else is to be expected. */
export interface PeerPrediction {
  readonly strategy: string
  /** Of a direct path, 0 to 1. */
  readonly chance: number
  readonly expectedSeconds: number | null
  readonly why?: string
}

/** RFC 7050's question, answered. */
export type Ipv4OnlyAnswer =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly why: string }

export interface Nat64Finding {
  /** The prefix, `64:ff9b::/96`; null where there is none. */
  readonly value: string | null
  readonly confidence: number
  readonly notes?: readonly string[]
}

export interface Outside {
  readonly tcp: readonly TcpAnswer[]
  readonly nobodys: readonly NobodysAnswer[]
  readonly portMapping?: PortMappingReport
  readonly nat64?: Nat64Finding
}

export const NOTHING_OUTSIDE: Outside = { tcp: [], nobodys: [] }

/**
 * Whoever answers for an address at which nobody can be is between us and the network: a portal with its page or a
 * redirection to it, or 511 (RFC 6585). An error of another kind comes from a plain proxy, which is no portal.
 */
export function isPortal({ status }: NobodysAnswer): boolean {
  return status !== undefined && ((status >= 200 && status < 400) || status === 511)
}

/** Whether it is UDP that fails, and not the network or the server. */
export function provesTcp({ tcp }: Outside, silentServers: number): boolean {
  if (tcp.some(({ outcome }) => outcome === 'connected')) return true
  return silentServers > 1 && tcp.some(({ outcome }) => outcome === 'refused')
}

export function doubleNatOf(
  external: Endpoint,
  seen: readonly Endpoint[],
): NonNullable<PortMappingReport['doubleNat']> {
  const scope = scopeOf(external)
  if (scope !== 'global') return { value: true, confidence: 0.99 }
  if (seen.length === 0) return { value: false, confidence: 0.5 }
  const isSeen = seen.some(({ address }) => address === external.address)
  return { value: !isSeen, confidence: 0.9 } // a carrier may have several
}

// ---- NAT64 (RFC 7050 §3) ---------------------------------------------------------------------------------------------

/** ipv4only.arpa's, RFC 7050 §8.2. */
const WELL_KNOWN = [
  [192, 0, 0, 170],
  [192, 0, 0, 171],
] as const

/** RFC 6052 §2.2: where the four bytes are, for each length of prefix. Byte 8 is always zero, and is skipped. */
const PLACES: readonly (readonly [prefix: number, places: readonly number[]])[] = [
  [96, [12, 13, 14, 15]],
  [64, [9, 10, 11, 12]],
  [56, [7, 9, 10, 11]],
  [48, [6, 7, 9, 10]],
  [40, [5, 6, 7, 9]],
  [32, [4, 5, 6, 7]],
]

export interface Nat64Prefix {
  readonly address: string
  readonly prefix: number
}

export function nat64Of(answer: Ipv4OnlyAnswer): Nat64Finding {
  if (answer.kind === 'failed') {
    return { value: null, confidence: 0, notes: [`the name server did not say: ${answer.why}`] }
  }
  const found = nat64PrefixOf(answer.addresses)
  if (found === undefined) return { value: null, confidence: 0.99 }
  return { value: `${found.address}/${found.prefix}`, confidence: 0.99 }
}

export function nat64PrefixOf(addresses: readonly string[]): Nat64Prefix | undefined {
  for (const address of addresses) {
    const made = endpoint(address, 0)
    if (!made.ok || made.value.family !== 6) continue
    const bytes = addressBytes(made.value)
    for (const [prefix, places] of PLACES) {
      const isThere = WELL_KNOWN.some((known) => places.every((at, n) => bytes[at] === known[n]))
      if (!isThere) continue
      const network = Uint8Array.from(bytes, (byte, at) => (at < prefix / 8 ? byte : 0))
      const found = endpointOfBytes(network, 0)
      if (found !== undefined) return { address: found.address, prefix }
    }
  }
  return undefined
}

/** The IPv6 address under which the NAT64 reaches an IPv4 one (RFC 6052 §2.2). */
export function throughNat64(
  { address, prefix }: Nat64Prefix,
  ipv4: Endpoint,
): Endpoint | undefined {
  const network = endpoint(address, 0)
  const places = PLACES.find(([length]) => length === prefix)?.[1]
  if (!network.ok || places === undefined || ipv4.family !== 4) return undefined
  const bytes = Uint8Array.from(addressBytes(network.value))
  for (const [n, byte] of addressBytes(ipv4).entries()) bytes[places[n] ?? 0] = byte
  return endpointOfBytes(bytes, ipv4.port)
}
