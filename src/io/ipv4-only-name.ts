import { Resolver } from 'node:dns/promises'

/** RFC 7050 §3: every DNS64 knows the two IPv4 addresses of this name, and invents IPv6 ones for them. */
const NAME = 'ipv4only.arpa'

/** What a name server says when it has no such record: an answer, and no failure. */
const NO_SUCH = new Set(['ENODATA', 'ENOTFOUND'])

export type Ipv4OnlyName =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly why: string }

/** The IPv6 addresses of a name that has none: those of a NAT64. Asks the system's name servers; never rejects. */
export async function resolveIpv4OnlyName(timeoutMs: number): Promise<Ipv4OnlyName> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
  try {
    return { kind: 'addresses', addresses: await resolver.resolve6(NAME) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    return NO_SUCH.has(code) ? { kind: 'addresses', addresses: [] } : { kind: 'failed', why: code }
  }
}
