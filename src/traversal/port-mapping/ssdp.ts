/**
 * The Simple Service Discovery Protocol, UPnP Device Architecture 1.1 §1.3: HTTP's header form in datagrams. A search
 * goes to everybody or to one address; whoever has what is searched for answers with the URL of its description.
 */
import { asBuffer, utf8 } from '../../core/bytes.ts'
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { type Endpoint, formatEndpoint } from '../../core/endpoint.ts'

export const SSDP_GROUP: Endpoint = { family: 4, address: '239.255.255.250', port: 1900 }
export const SSDP_PORT = 1900

/** Version 2 devices should answer a search for version 1, and some do not. */
export const searchTargets = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
] as const

/** Answers to a multicast search are spread over so many seconds; 1 is the least. */
const MX_SECONDS = 1

/** Answers have 300 to 500 bytes. */
const MAX_ANSWER_BYTES = 2048
const MAX_LOCATION_CHARACTERS = 512

export interface SearchAnswer {
  readonly target: string
  /** Where the description is, as the device says: not judged yet. */
  readonly location: string
}

/** MX is for multicast; some old routers want it in a unicast search too, and no other minds. */
export function encodeSearch(to: Endpoint, target: string): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${formatEndpoint(to)}`,
    'MAN: "ssdp:discover"',
    `MX: ${MX_SECONDS}`,
    `ST: ${target}`,
  ]
  return utf8(`${lines.join('\r\n')}\r\n\r\n`)
}

export function decodeSearchAnswer(bytes: Uint8Array): Decoded<SearchAnswer> {
  if (bytes.length > MAX_ANSWER_BYTES) return malformed('too long')
  const [status = '', ...lines] = asBuffer(bytes).toString('latin1').split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200\b/i.test(status)) return malformed('no answer to a search')
  const location = headerOf(lines, 'location')
  const target = headerOf(lines, 'st')
  if (location === undefined || target === undefined) return malformed('no location or no target')
  if (location.length > MAX_LOCATION_CHARACTERS) return malformed('location too long')
  return decoded({ target, location })
}

function headerOf(lines: readonly string[], name: string): string | undefined {
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (line.slice(0, colon).trim().toLowerCase() === name) return line.slice(colon + 1).trim()
  }
  return undefined
}
