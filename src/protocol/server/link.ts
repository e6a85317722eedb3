/**
 * The server link, `holler://HOST:PORT?pin=sha256-…`: where a server is and, for a self-signed certificate, how to
 * know it again. `holler-server` prints it, people pass it on, `holler account register --server` takes it.
 */
import { asBuffer } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { endpoint } from '../../core/endpoint.ts'

export interface ServerLinkAddress {
  /** A host name or a literal address, without brackets. */
  readonly host: string
  readonly port: number
  /** SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes; without it the system's authorities decide. */
  readonly pin?: Uint8Array
}

export const DEFAULT_SERVER_PORT = 7443

/** What the XML session is called in the TLS handshake (RFC 7301): the port may carry other protocols too. */
export const SESSION_ALPN = 'holler-xml/1'

/** A link is typed, pasted and shown on one line; a host name has 253 characters at most (RFC 1035 §2.3.4). */
const MAX_LINK_CHARS = 512

const LINK =
  /^(?:holler:\/\/)?(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]{1,253}))(?::(\d{1,5}))?\/?(?:\?(.*))?$/i
const PIN = /^sha256-([A-Za-z0-9_-]{43})$/

/** Reads a link; the scheme may be left out, the port too. Unknown query parameters are ignored. */
export function parseServerLink(text: string): Decoded<ServerLinkAddress> {
  if (text.length > MAX_LINK_CHARS) return malformed('server link too long')
  const match = LINK.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  if (match === null || host === undefined) return malformed('not holler://HOST:PORT')
  if (match[1] !== undefined && !isIPv6Literal(match[1])) return malformed('not an IPv6 address')
  const port = match[3] === undefined ? DEFAULT_SERVER_PORT : Number(match[3])
  if (port < 1 || port > 65535) return malformed('port out of range')
  const address = { host: host.toLowerCase(), port }
  const pinText = new URLSearchParams(match[4] ?? '').get('pin')
  if (pinText === null) return decoded(address)
  const pin = readPin(pinText)
  return pin === undefined ? malformed('pin is not sha256-BASE64URL') : decoded({ ...address, pin })
}

/** The text form, which `parseServerLink` reads back. */
export function formatServerLink({ host, port, pin }: ServerLinkAddress): string {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const query = pin === undefined ? '' : `?pin=sha256-${asBuffer(pin).toString('base64url')}`
  return `holler://${authority}${query}`
}

function readPin(text: string): Uint8Array | undefined {
  const encoded = PIN.exec(text)?.[1]
  if (encoded === undefined) return undefined
  const pin = Buffer.from(encoded, 'base64url')
  return pin.toString('base64url') === encoded ? pin : undefined
}

function isIPv6Literal(text: string): boolean {
  return text.includes(':') && endpoint(text, 0).ok
}
