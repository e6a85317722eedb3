/**
 * What an Internet Gateway Device tells about itself (UPnP Device Architecture 1.1 §2.3): here, only which of its
 * services make port mappings, and the URL where each takes orders.
 */
import { type Decoded, decoded, malformed } from '../../core/decoded.ts'
import { type Leaf, leavesOf } from './xml-leaves.ts'
import { localUrl } from './local-url.ts'

export interface IgdService {
  readonly type: string
  /** Version 2 has AddAnyPortMapping. */
  readonly hasAnyPort: boolean
  readonly controlUrl: string
}

/** In the order of preference. WANPPPConnection has version 1 alone, and the same actions. */
const TYPES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
]

/** DSL routers name a connection for each kind of line that they could have. */
const MAX_SERVICES = 4

/** `url` is where the description was fetched, `address` whose it is. The best service comes first. */
export function decodeDescription(
  document: Uint8Array,
  { url, address }: { readonly url: string; readonly address: string },
): Decoded<readonly IgdService[]> {
  const leaves = leavesOf(document)
  const base = baseOf(leaves, url, address)
  const services = groupsOf(leaves).flatMap((group) => serviceOf(group, base, address))
  services.sort((one, other) => TYPES.indexOf(one.type) - TYPES.indexOf(other.type))
  return services.length === 0
    ? malformed('no service for us')
    : decoded(services.slice(0, MAX_SERVICES))
}

/** URLBase was dropped in UPnP 1.1 and is wrong in some routers; one that leads away is overlooked. */
function baseOf(leaves: readonly Leaf[], url: string, address: string): string {
  const named = leaves.find(({ name }) => name === 'URLBase')
  const base = named === undefined ? undefined : localUrl(named.text, address)
  return base?.ok === true ? base.value : url
}

type Group = ReadonlyMap<string, string>

function groupsOf(leaves: readonly Leaf[]): readonly Group[] {
  const groups = new Map<number, Map<string, string>>() // ≤ the leaves
  for (const { name, text, parent, parentName } of leaves) {
    if (parentName !== 'service') continue
    const group = groups.get(parent) ?? new Map<string, string>()
    groups.set(parent, group.set(name, text))
  }
  return [...groups.values()]
}

function serviceOf(group: Group, base: string, address: string): readonly IgdService[] {
  const type = group.get('serviceType') ?? ''
  const control = group.get('controlURL') ?? ''
  const url = localUrl(control, address, base)
  if (!TYPES.includes(type) || control === '' || !url.ok) return []
  return [{ type, hasAnyPort: type.endsWith(':2'), controlUrl: url.value }]
}
