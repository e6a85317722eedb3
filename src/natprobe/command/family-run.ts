/** Runs the tests of one family on real sockets. */
import type { DatagramSocket } from '../../core/datagram-socket.ts'
import type { SocketId } from '../../core/machine.ts'
import { drive } from '../../io/drive.ts'
import { hostAddresses } from '../../io/host-addresses.ts'
import { systemRandom } from '../../io/random.ts'
import { sourceAddressTowards } from '../../io/source-address.ts'
import { systemClock } from '../../io/system-clock.ts'
import { openUdpSocket } from '../../io/udp-socket.ts'
import type { ProbeRequest } from '../command-line.ts'
import { NatProbe, type NatProbeEvent, type NatProbeResult } from '../nat-probe.ts'
import type { FamilyRun, NamedServer } from '../report.ts'

/** `undefined` where there is nobody to ask, or no way to. */
export async function probeFamily(
  family: 4 | 6,
  request: Pick<ProbeRequest, 'bind' | 'mode' | 'lifetime'>,
  servers: readonly NamedServer[],
  onEvent: (event: NatProbeEvent) => void,
): Promise<FamilyRun | undefined> {
  const [first] = servers
  if (first === undefined) return undefined
  const address = request.bind?.address ?? (await sourceAddressTowards(first.endpoint))
  if (address === undefined) return undefined
  const own = hostAddresses({ includeLoopback: true })
  const machine = new NatProbe({
    servers: servers.map((server) => server.endpoint),
    mode: request.mode,
    lifetime: request.lifetime,
    ownAddresses: [address, ...own],
    random: systemRandom,
  })
  const bind = { address, port: request.bind?.port ?? 0 }
  const result = await run(machine, bind, onEvent)
  return { family: family === 4 ? 'ipv4' : 'ipv6', servers, result }
}

/** Runs the tests to their end, opening the sockets that they ask for, in their order. */
async function run(
  machine: NatProbe,
  bind: { readonly address: string; readonly port: number },
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
      const socket = await openUdpSocket({ address: bind.address, port })
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
