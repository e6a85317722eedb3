/** Opens the UDP service's sockets: one, or the two or four of RFC 5780 §6, or one of each family for `[::]`. */
import type { DatagramSocket } from '../core/datagram-socket.ts'
import type { Endpoint } from '../core/endpoint.ts'
import { HollerError } from '../core/holler-error.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'
import { openUdpSocket } from '../io/udp-socket.ts'
import { bindingSocketId } from '../stun/binding-sockets.ts'
import { isWildcard } from './host-port.ts'

/** The second socket where `[::]` stands for both families. */
const OTHER_FAMILY = socketNamed('stun:ipv4')

export type NamedSockets = ReadonlyMap<SocketId, DatagramSocket>

/**
 * In the order in which clients are told of them, the primary one first.
 *
 * @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID`; nothing stays open then
 */
export async function openUdpSockets(main: Endpoint, alternate?: Endpoint): Promise<NamedSockets> {
  const opened: DatagramSocket[] = [] // ≤ 4
  const open = async (address: string, port: number): Promise<DatagramSocket> => {
    const socket = await openUdpSocket({ address, port, isForMany: true })
    opened.push(socket)
    return socket
  }
  try {
    return new Map(
      alternate === undefined ? await openOne(open, main) : await openAll(open, main, alternate),
    )
  } catch (error) {
    await Promise.all(opened.map((socket) => socket.close()))
    throw error
  }
}

/**
 * More ports on the addresses that clients are sent to, where they are not open already.
 *
 * @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID`; none of them stays open then
 */
export async function openExtraSockets(
  opened: readonly DatagramSocket[],
  ports: readonly number[],
): Promise<NamedSockets> {
  const isFirst = ({ local }: DatagramSocket, index: number): boolean =>
    opened.findIndex((other) => other.local.family === local.family) === index
  const extra = new Map<SocketId, DatagramSocket>() // ≤ 2 × MAX_EGRESS_PORTS
  try {
    for (const { local } of opened.filter(isFirst)) {
      for (const port of new Set(ports)) {
        const isOpen = opened.some(
          (other) => other.local.address === local.address && other.local.port === port,
        )
        if (isOpen) continue
        const id = socketNamed(`stun:extra:${local.family}:${port}`)
        extra.set(id, await openUdpSocket({ address: local.address, port, isForMany: true }))
      }
    }
    return extra
  } catch (error) {
    await closeAll(extra)
    throw error
  }
}

export async function closeAll(sockets: NamedSockets): Promise<void> {
  await Promise.all([...sockets.values()].map((socket) => socket.close()))
}

type Open = (address: string, port: number) => Promise<DatagramSocket>
type Named = readonly (readonly [SocketId, DatagramSocket])[]

async function openOne(open: Open, main: Endpoint): Promise<Named> {
  const first = await open(main.address, main.port)
  const named = [bindingSocketId(1, 1), first] as const
  if (main.address !== '::') return [named]
  // A socket is of one family here; TCP on `[::]` takes both, and the UDP service follows it.
  return [named, [OTHER_FAMILY, await open('0.0.0.0', first.local.port)]]
}

/** Every address with every port: the tests of RFC 5780 ask one and are answered by another. */
async function openAll(open: Open, main: Endpoint, alternate: Endpoint): Promise<Named> {
  if (isWildcard(main) || isWildcard(alternate) || main.family !== alternate.family) {
    throw new HollerError(
      'CONFIG_INVALID',
      'With --udp-alt, both --udp and --udp-alt name an address of this machine, of one family',
    )
  }
  const first = await open(main.address, main.port)
  const last = await open(alternate.address, alternate.port)
  const isOneAddress = main.address === alternate.address
  if (isOneAddress)
    return [
      [bindingSocketId(1, 1), first],
      [bindingSocketId(1, 2), last],
    ]
  const isOnePort = first.local.port === last.local.port
  if (isOnePort)
    return [
      [bindingSocketId(1, 1), first],
      [bindingSocketId(2, 1), last],
    ]
  return [
    [bindingSocketId(1, 1), first],
    [bindingSocketId(1, 2), await open(main.address, last.local.port)],
    [bindingSocketId(2, 1), await open(alternate.address, first.local.port)],
    [bindingSocketId(2, 2), last],
  ]
}
