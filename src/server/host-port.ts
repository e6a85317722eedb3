import { lookup } from 'node:dns/promises'
import { type Endpoint, endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'

/** Where to listen, as an operator wrote it: a literal address or a name, and a port. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Reads `HOST:PORT`, `[IPV6]:PORT`, or either without a port; `undefined` for anything else. */
export function parseHostPort(text: string, defaultPort: number): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined || port > 65_535) return undefined
  if (match?.[1] !== undefined && !endpoint(match[1], port).ok) return undefined
  return { host, port }
}

/**
 * The endpoint that is meant; a name is looked up.
 *
 * @throws HollerError `CONFIG_INVALID` when the name is unknown
 */
export async function resolveHostPort({ host, port }: HostPort): Promise<Endpoint> {
  const literal = endpoint(host, port)
  if (literal.ok) return literal.value
  const found = endpoint(await addressOf(host), port)
  if (found.ok) return found.value
  throw new HollerError('CONFIG_INVALID', `"${host}" is no address to listen on`)
}

/** All addresses of a name, or the literal address itself. @throws HollerError `CONFIG_INVALID` */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (endpoint(host, 0).ok) return [host]
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    throw new HollerError('CONFIG_INVALID', `Cannot find the address of "${host}"`, {
      cause: error,
    })
  }
}

export function isWildcard({ address }: Pick<Endpoint, 'address'>): boolean {
  return address === '0.0.0.0' || address === '::'
}

async function addressOf(host: string): Promise<string> {
  const [first] = await addressesOf(host)
  return first ?? host
}
