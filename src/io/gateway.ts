/**
 * The routers that this host sends to by default, as the kernel's tables have them. They are who may be asked for a
 * port mapping. Only Linux has these files; elsewhere nothing is known, and UPnP finds its gateway by multicast.
 */
import { readFile } from 'node:fs/promises'
import { type NetworkInterfaceInfo, endianness, networkInterfaces } from 'node:os'
import { endpointOfBytes } from '../core/address-bytes.ts'
import { sharePrefix } from '../core/address-scope.ts'
import { type Endpoint, endpoint } from '../core/endpoint.ts'

export interface DefaultGateway {
  readonly family: 4 | 6
  readonly address: string
  readonly interfaceName: string
  /** Of ours, the one that the gateway sees. `undefined` when the interface has none of this family. */
  readonly localAddress: string | undefined
}

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

interface Route {
  readonly family: 4 | 6
  readonly interfaceName: string
  readonly gateway: Endpoint
  readonly metric: number
}

/** An entry that is not complete. */
const NO_HARDWARE = '00:00:00:00:00:00'

/** linux/route.h */
const RTF_UP = 1
const RTF_GATEWAY = 2

/** The one that the kernel prefers comes first, IPv4 before IPv6. */
export async function defaultGateways(): Promise<readonly DefaultGateway[]> {
  const [ipv4, ipv6] = await Promise.all([
    textOf('/proc/net/route'),
    textOf('/proc/net/ipv6_route'),
  ])
  return gatewaysOf({ ipv4, ipv6, interfaces: networkInterfaces() })
}

/** The same, of the files' texts. */
export function gatewaysOf({
  ipv4,
  ipv6,
  interfaces,
}: {
  readonly ipv4: string
  readonly ipv6: string
  readonly interfaces: Interfaces
}): readonly DefaultGateway[] {
  const byMetric = (one: Route, other: Route): number => one.metric - other.metric
  const routes = [...ipv4Routes(ipv4).sort(byMetric), ...ipv6Routes(ipv6).sort(byMetric)]
  return routes.map(({ family, interfaceName, gateway }) => ({
    family,
    address: gateway.address,
    interfaceName,
    localAddress: localAddressOf(interfaces[interfaceName] ?? [], gateway),
  }))
}

/** The hardware address of the preferred IPv4 gateway: which network this is. `undefined` where it is not known. */
export async function gatewayHardwareAddress(): Promise<string | undefined> {
  const gateway = (await defaultGateways()).find(({ family }) => family === 4)
  if (gateway === undefined) return undefined
  return hardwareAddressIn(await textOf('/proc/net/arp'), gateway.address)
}

/** Of the text of /proc/net/arp: `IP-address HW-type Flags HW-address Mask Device`. */
export function hardwareAddressIn(arp: string, address: string): string | undefined {
  for (const line of arp.split('\n').slice(1)) {
    const [ip, , , hardware] = line.split(/\s+/)
    if (ip === address && hardware !== undefined && hardware !== NO_HARDWARE) return hardware
  }
  return undefined
}

/** `Iface Destination Gateway Flags RefCnt Use Metric Mask …`: addresses as the machine's own 32-bit numbers. */
function ipv4Routes(text: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [interfaceName, destination, gateway, flags, , , metric, mask] = line.split(/\s+/)
    const isDefault = destination === '00000000' && mask === '00000000'
    if (interfaceName === undefined || !isDefault || !isGateway(flags)) return []
    const bytes = Buffer.from(gateway ?? '', 'hex')
    if (endianness() === 'LE') bytes.reverse()
    return routeOf(4, interfaceName, bytes, Number(metric))
  })
}

/** `destination length source length next-hop metric refcnt use flags iface`: all but the name in hexadecimal. */
function ipv6Routes(text: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [destination, length, , , gateway, metric, , , flags, interfaceName] = line.split(/\s+/)
    const isDefault = /^0{32}$/.test(destination ?? '') && length === '00'
    if (interfaceName === undefined || !isDefault || !isGateway(flags)) return []
    const bytes = Buffer.from(gateway ?? '', 'hex')
    return routeOf(6, interfaceName, bytes, Number.parseInt(metric ?? '', 16))
  })
}

function isGateway(flags: string | undefined): boolean {
  const wanted = RTF_UP | RTF_GATEWAY
  return (Number.parseInt(flags ?? '', 16) & wanted) === wanted
}

function routeOf(family: 4 | 6, interfaceName: string, bytes: Buffer, metric: number): Route[] {
  const gateway = endpointOfBytes(bytes, 0)
  if (gateway?.family !== family || Number.isNaN(metric)) return []
  return [{ family, interfaceName, gateway, metric }]
}

function localAddressOf(
  addresses: readonly NetworkInterfaceInfo[],
  gateway: Endpoint,
): string | undefined {
  const own = addresses.flatMap(({ address, cidr }) => {
    const made = endpoint(address, 0)
    const prefix = Number(cidr?.split('/')[1])
    return made.ok && made.value.family === gateway.family ? [{ made: made.value, prefix }] : []
  })
  const neighbour = own.find(({ made, prefix }) => sharePrefix(made, gateway, prefix))
  return (neighbour ?? own[0])?.made.address
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch {
    return '' // not Linux, or no IPv6
  }
}
