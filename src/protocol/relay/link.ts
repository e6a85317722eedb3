/**
 * How operators introduce a home server and a relay elsewhere to each other: the relay prints its link, the server its
 * key. `holler-relay://HOST:PORT?pin=sha256-…&udp=PORT` says where the relay is, over TLS and over UDP, and how it is
 * known; `ed25519-…` is the key that the server signs tickets with.
 */
import { asBuffer, copyOf } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { formatServerLink, parseServerLink } from '../server/link.ts'

export interface RelayLink {
  readonly host: string
  /** TLS, ALPN `holler-relay/1`. */
  readonly port: number
  readonly udpPort: number
  /** SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes. */
  readonly pin: Uint8Array
}

const SCHEME = 'holler-relay://'
const KEY = /^ed25519-([A-Za-z0-9_-]{43})$/
const RELAY_ID_BYTES = 8

export function parseRelayLink(text: string): Decoded<RelayLink> {
  if (!text.startsWith(SCHEME)) return malformed('not holler-relay://HOST:PORT?pin=…&udp=PORT')
  const address = parseServerLink(`holler://${text.slice(SCHEME.length)}`)
  if (!address.ok) return address
  const { host, port, pin } = address.value
  if (pin === undefined) return malformed('a relay link has a pin')
  const udp = /[?&]udp=(\d{1,5})(?:&|$)/.exec(text)?.[1]
  const udpPort = Number(udp)
  if (udp === undefined || udpPort < 1 || udpPort > 65_535) return malformed('no udp=PORT')
  return decoded({ host, port, udpPort, pin })
}

export function formatRelayLink({ host, port, udpPort, pin }: RelayLink): string {
  const link = formatServerLink({ host, port, pin }).slice('holler://'.length)
  return `${SCHEME}${link}&udp=${udpPort}`
}

/** What tickets call a relay that stands alone: it follows from its key, so nobody has to hand it on. */
export function relayIdOf(pin: Uint8Array): Uint8Array {
  return copyOf(pin.subarray(0, RELAY_ID_BYTES))
}

export function parseTicketKey(text: string): Decoded<Uint8Array> {
  const encoded = KEY.exec(text)?.[1]
  const key = encoded === undefined ? undefined : Buffer.from(encoded, 'base64url')
  return key?.toString('base64url') === encoded && key !== undefined
    ? decoded(key)
    : malformed('not ed25519-BASE64URL, as holler-server relay-key prints it')
}

export function formatTicketKey(key: Uint8Array): string {
  return `ed25519-${asBuffer(key).toString('base64url')}`
}
