/**
 * The ways out of this host besides the one that the system prefers: interfaces that have a default route of their own, in
 * the kernel's main table. What is sent through one of them must be bound to it (`bindToInterface`): the route is chosen
 * by the destination alone, whatever the source address.
 */
import type { Socket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { defaultGateways } from './gateway.ts'
import { loadLibc } from './libc.ts'
import { socketDescriptor } from './socket-descriptor.ts'

export interface Uplink {
  readonly interfaceName: string
  readonly interfaceIndex: number
  /** Of those that were asked for, the families in which it has a default route. */
  readonly families: readonly (4 | 6)[]
  /** The kernel drops what comes in here from where it would not answer to (`rp_filter` 1): all that is answered here. */
  readonly dropsAnswers: boolean
}

/** Ethernet, Wi-Fi, a modem, and one more: others are left out. */
const MAX_UPLINKS = 3

/** asm-generic/socket.h, since Linux 5.0; needs no privilege where the socket is not bound to an interface yet. */
const SOL_SOCKET = 1
const SO_BINDTOIFINDEX = 62

/** linux/if_arp.h: no link layer at all, as tunnels are (tun, WireGuard). */
const ARPHRD_NONE = 65_534

/**
 * Those that the system does not prefer, of each family in which it sends from `preferred` (an own address). None where
 * that is no interface with a default route, or is a tunnel: who sends everything through a VPN does not want to be seen
 * beside it.
 */
export async function otherUplinks(
  preferred: readonly { readonly family: 4 | 6; readonly address: string }[],
): Promise<readonly Uplink[]> {
  const gateways = await defaultGateways()
  const found = new Map<string, (4 | 6)[]>()
  for (const { family, address } of preferred) {
    const names = new Set(
      gateways.flatMap((one) => (one.family === family ? [one.interfaceName] : [])),
    )
    const main = interfaceWith(address)
    if (main === undefined || !names.delete(main) || (await isTunnel(main))) continue
    for (const name of names) found.set(name, [...(found.get(name) ?? []), family])
  }
  const uplinks = [...found].slice(0, MAX_UPLINKS).map(async ([interfaceName, families]) => {
    const interfaceIndex = await numberIn(`/sys/class/net/${interfaceName}/ifindex`)
    const dropsAnswers = await checksReversePath(interfaceName)
    return { interfaceName, interfaceIndex: interfaceIndex ?? 0, families, dropsAnswers }
  })
  return await Promise.all(uplinks)
}

/**
 * Has a bound socket send through that interface, whatever the routes prefer, and hear nothing from others. False where the
 * process or the system cannot.
 */
export function bindToInterface(socket: Socket, interfaceIndex: number): boolean {
  const fd = socketDescriptor(socket)
  if (fd === undefined || interfaceIndex <= 0) return false
  return loadLibc()?.setOption(fd, SOL_SOCKET, SO_BINDTOIFINDEX, interfaceIndex) ?? false
}

function interfaceWith(address: string): string | undefined {
  const all = Object.entries(networkInterfaces())
  return all.find(([, own]) => own?.some((one) => one.address === address))?.[0]
}

async function isTunnel(name: string): Promise<boolean> {
  return (await numberIn(`/sys/class/net/${name}/type`)) === ARPHRD_NONE
}

/** ip-sysctl: the greater of both settings holds. */
async function checksReversePath(name: string): Promise<boolean> {
  const settings = ['all', name].map((which) =>
    numberIn(`/proc/sys/net/ipv4/conf/${which}/rp_filter`),
  )
  return Math.max(...(await Promise.all(settings)).map((value) => value ?? 0)) === 1
}

async function numberIn(path: string): Promise<number | undefined> {
  try {
    return Number(await readFile(path, 'latin1'))
  } catch {
    return undefined
  }
}
