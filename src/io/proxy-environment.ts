/**
 * Which HTTP proxy a TCP connection takes, as the environment says, with the names and rules of curl and of the Go
 * programs: `https_proxy`, else `all_proxy`, in small letters first; `no_proxy` names what is reached without.
 * What is on this machine itself is never reached by a proxy.
 */
import { BlockList, isIP } from 'node:net'

export type Environment = Readonly<Record<string, string | undefined>>

export interface HttpProxy {
  readonly host: string
  readonly port: number
  /** The value of `Proxy-Authorization`, where the URL names a user. */
  readonly authorization?: string
}

export type ProxyChoice =
  | { readonly kind: 'direct' }
  | { readonly kind: 'proxy'; readonly proxy: HttpProxy }
  /** Going without it could be what the user wants least. */
  | { readonly kind: 'unusable'; readonly why: string }

const DEFAULT_PROXY_PORT = 1080 // curl's

const DIRECT: ProxyChoice = { kind: 'direct' }

export function proxyFor(environment: Environment, host: string, port: number): ProxyChoice {
  const named = valueOf(environment, 'https_proxy') ?? valueOf(environment, 'all_proxy')
  if (named === undefined || isLoopback(host)) return DIRECT
  const exceptions = (valueOf(environment, 'no_proxy') ?? '').split(/[\s,]+/)
  return exceptions.some((entry) => isExcepted(entry, host, port)) ? DIRECT : readProxy(named)
}

/** The small letters win, since that is how scripts override what a system sets. */
function valueOf(environment: Environment, name: string): string | undefined {
  return [environment[name], environment[name.toUpperCase()]]
    .map((value) => value?.trim())
    .find((value) => value !== undefined && value !== '')
}

function readProxy(text: string): ProxyChoice {
  const full = text.includes('://') ? text : `http://${text}`
  if (!URL.canParse(full)) return { kind: 'unusable', why: 'it is not a URL' }
  const url = new URL(full)
  if (url.protocol !== 'http:') {
    return { kind: 'unusable', why: `"${url.protocol}//" is not spoken here, only "http://"` }
  }
  const explicit = /:(\d+)\/?$/.exec(text)?.[1] // URL drops the default port 80
  const proxy = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port === '' ? (explicit ?? DEFAULT_PROXY_PORT) : url.port),
  }
  if (url.username === '' && url.password === '') return { kind: 'proxy', proxy }
  const authorization = basicAuthorization(url)
  if (authorization === undefined) return { kind: 'unusable', why: 'its user cannot be read' }
  return { kind: 'proxy', proxy: { ...proxy, authorization } }
}

/** RFC 7617 §2; `undefined` for escapes that are none. */
function basicAuthorization({ username, password }: URL): string | undefined {
  try {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(credentials).toString('base64')}`
  } catch {
    return undefined
  }
}

/** `*`, `example.org` with all below it, the same with a leading dot or a port, an address, or a prefix (CIDR). */
function isExcepted(entry: string, host: string, port: number): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  if (entry.includes('/')) return isInPrefix(entry, host)
  const withPort = isIP(entry) === 0 ? /^(.*):(\d+)$/.exec(entry) : null
  if (withPort !== null && Number(withPort[2]) !== port) return false
  const name = (withPort?.[1] ?? entry).replace(/^\*?\.|^\[|\]$/g, '').toLowerCase()
  const wanted = host.toLowerCase()
  return wanted === name || (isIP(host) === 0 && wanted.endsWith(`.${name}`))
}

function isInPrefix(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/')
  const [family, most] = network.includes(':') ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  const prefix = Number(bits)
  const isReadable = isIP(network) !== 0 && bits !== '' && prefix >= 0 && prefix <= most
  if (!isReadable || isIP(host) !== (family === 'ipv6' ? 6 : 4)) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, family)
  return list.check(host, family)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
