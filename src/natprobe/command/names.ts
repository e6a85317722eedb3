/** Servers as the user named them, as endpoints. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Endpoint, endpoint, formatEndpoint } from '../../core/endpoint.ts'
import type { ServerName } from '../command-line.ts'
import { type Nat64Prefix, throughNat64 } from '../outside.ts'
import type { NamedServer } from '../report.ts'

export interface Resolved {
  readonly name: ServerName
  readonly found: readonly Endpoint[]
}

/** All addresses of a name; none where it cannot be looked up. */
export async function resolve(name: ServerName): Promise<Resolved> {
  const addresses = isIP(name.host) === 0 ? await addressesOf(name.host) : [name.host]
  const found = addresses.flatMap((address) => {
    const result = endpoint(address, name.port)
    return result.ok ? [result.value] : []
  })
  return { name, found }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch {
    return [] // told in the report: "name not found"
  }
}

/** The first address of that family for each name, each endpoint once; IPv4 alone is reached through a NAT64. */
export function serversOf(
  family: 4 | 6,
  resolved: readonly Resolved[],
  nat64?: Nat64Prefix,
): readonly NamedServer[] {
  const servers = new Map<string, NamedServer>()
  for (const { name, found } of resolved) {
    const first =
      found.find((candidate) => candidate.family === family) ??
      (family === 6 && nat64 !== undefined ? translated(nat64, found) : undefined)
    if (first !== undefined && !servers.has(formatEndpoint(first))) {
      servers.set(formatEndpoint(first), { label: name.label, endpoint: first })
    }
  }
  return [...servers.values()]
}

function translated(nat64: Nat64Prefix, found: readonly Endpoint[]): Endpoint | undefined {
  const ipv4 = found.find((candidate) => candidate.family === 4)
  return ipv4 === undefined ? undefined : throughNat64(nat64, ipv4)
}
