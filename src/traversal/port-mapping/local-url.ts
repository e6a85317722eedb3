/**
 * Judges the URLs that a device on the LAN gives us. It may send us to itself and to nobody else: else one forged
 * answer to a search would have us fetch, and post to, whatever the forger likes.
 */
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { endpoint } from '../../core/endpoint.ts'

/** Plain HTTP to exactly this address, whatever the port. `base` is for references without a host. */
export function localUrl(text: string, address: string, base?: string): Decoded<string> {
  if (!URL.canParse(text, base)) return malformed('no URL')
  const url = new URL(text, base)
  if (url.protocol !== 'http:') return malformed('not plain HTTP')
  if (url.username !== '' || url.password !== '') return malformed('a URL with a name in it')
  const host = endpoint(url.hostname.replace(/^\[|\]$/g, ''), 0)
  if (!host.ok || host.value.address !== address) return malformed('the URL of another host')
  url.hash = ''
  return decoded(url.href)
}
