/** Runs the tests of one family on real sockets. */
import type { DatagramSocket } from '../../core/datagram-socket.ts'
import type { SocketId } from '../../core/machine.ts'
import { drive } from '../../io/drive.ts'
import { hostAddresses } from '../../io/host-addresses.ts'
import { systemRandom } from '../../io/random.ts'
import { sourceAddressTowards } from '../../io/source-address.ts'
import { systemClock } from '../../io/system-clock.ts'
import { openUdpSocket } from '../../io/udp-socket.ts'
import type { Uplink } from '../../io/uplinks.ts'
import type { ProbeRequest } from '../command-line.ts'
import { NatProbe, type NatProbeEvent, type NatProbeResult } from '../nat-probe.ts'
import type { FamilyRun, NamedServer } from '../report.ts'

export interface Probing<Found> {
  /** Nothing runs any more but slow tests, or nothing at all: others may use the line. */
  readonly settled: Promise<void>
  readonly finished: Promise<Found>
}

/** `undefined` where there is nobody to ask, or no way to. `uplink`: not the one that the system prefers. */
export function probeFamily(
  family: 4 | 6,
  request: Pick<ProbeRequest, 'bind' | 'mode' | 'lifetime'>,
  servers: Promise<readonly NamedServer[]>,
  onEvent: (event: NatProbeEvent) => void,
  uplink?: Uplink,
): Probing<FamilyRun | undefined> {
  let settle: () => void = () => undefined
  const settled = new Promise<void>((resolve) => (settle = resolve))
  const probing = async (): Promise<FamilyRun | undefined> => {
    const asked = await servers
    const bind = await addressFor(request, asked, uplink)
    if (bind === undefined) return undefined
    const own = hostAddresses({ includeLoopback: true })
    const machine = new NatProbe({
      servers: asked.map((server) => server.endpoint),
      mode: request.mode,
      lifetime: request.lifetime,
      ownAddresses: [bind.address, ...own],
      random: systemRandom,
    })
    const result = await run(machine, bind, (event) => {
      onEvent(event)
      if (event.kind === 'settled') settle()
    })
    return { family: family === 4 ? 'ipv4' : 'ipv6', servers: asked, result }
  }
  return { settled, finished: probing().finally(settle) }
}

interface Bind {
  readonly address: string
  readonly port: number
  readonly interfaceIndex?: number
}

async function addressFor(
  { bind }: Pick<ProbeRequest, 'bind'>,
  [first]: readonly NamedServer[],
  uplink: Uplink | undefined,
): Promise<Bind | undefined> {
  if (first === undefined) return undefined
  const interfaceIndex = uplink?.interfaceIndex
  const address = bind?.address ?? (await sourceAddressTowards(first.endpoint, interfaceIndex))
  if (address === undefined) return undefined
  return { address, port: bind?.port ?? 0, ...(interfaceIndex !== undefined && { interfaceIndex }) }
}

/** Runs the tests to their end, opening the sockets that they ask for, in their order. */
async function run(
  machine: NatProbe,
  bind: Bind,
  onEvent: (event: NatProbeEvent) => void,
): Promise<NatProbeResult> {
  const sockets: DatagramSocket[] = [] // as many as the machine names: fewer than 30
  let opening = Promise.resolve()
  const finished = new Promise<NatProbeResult>((done, fail) => {
    const driver = drive(machine, {
      clock: systemClock,
      sockets: { primary: [] },
      onEvent(event) {
        onEvent(event)
        if (event.kind === 'socket-wanted') {
          const port = event.isMain ? bind.port : 0
          opening = opening.then(() => open(event.id, port, event.forbidsFragments)).catch(fail)
        } else if (event.kind === 'finished') {
          driver.stop()
          done(event.result)
        }
      },
    })
    async function open(id: SocketId, port: number, forbidsFragments: boolean): Promise<void> {
      const socket = await openUdpSocket({ ...bind, port })
      sockets.push(socket)
      if (forbidsFragments && !socket.setDontFragment(true)) {
        driver.change((now) => machine.socketRefused(now, id))
        return
      }
      driver.addSocket(id, socket)
      driver.change((now) => machine.socketOpened(now, id, socket.local))
    }
    driver.change(() => machine.start())
  })
  try {
    return await finished
  } finally {
    await opening
    await Promise.all(sockets.map((socket) => socket.close()))
  }
}
