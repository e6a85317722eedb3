/**
 * A host behind a gateway, for port-mapping.lab.ts: runs a `PortMapper` on real sockets and writes what happens as
 * JSON lines. Arguments: the mechanisms to use. Commands on stdin: `check`, `release` (which ends it).
 */
import { createInterface } from 'node:readline'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { endpoint } from '../../src/core/endpoint.ts'
import { drive, type Driver } from '../../src/io/drive.ts'
import { defaultGateways } from '../../src/io/gateway.ts'
import { fetchHttp } from '../../src/io/http-fetch.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import { type Mechanism, mechanisms } from '../../src/traversal/port-mapping/mapping-client.ts'
import { PORT_MAPPING_PORT } from '../../src/traversal/port-mapping/pcp.ts'
import { PORT_MAPPING_SOCKET, PortMapper } from '../../src/traversal/port-mapping/port-mapper.ts'
import type { PortMapperEvent } from '../../src/traversal/port-mapping/port-mapper-event.ts'

const [route] = await defaultGateways()
if (route?.localAddress === undefined) throw new Error('No default gateway')
const { localAddress } = route

const primary = await openUdpSocket({ address: '0.0.0.0', port: 0 })
primary.onDatagram((from, bytes) => tell({ kind: 'datagram', from, text: String(bytes) }))
const own = await openUdpSocket({ address: '0.0.0.0', port: 0 })

const mapper = new PortMapper({ random: systemRandom, mechanisms: wantedMechanisms() })
const driver: Driver = drive(mapper, {
  clock: systemClock,
  sockets: { primary: [], named: new Map([[PORT_MAPPING_SOCKET, own]]) },
  onEvent: handleEvent,
})
const startedAt = systemClock.now()
driver.change((now) =>
  mapper.map(now, {
    gateway: literal(route.address, PORT_MAPPING_PORT),
    localAddress,
    localPort: primary.local.port,
    protocol: 'udp',
  }),
)

createInterface(process.stdin).on('line', (command) => {
  if (command === 'check') driver.change((now) => mapper.check(now))
  if (command === 'release') driver.change((now) => mapper.release(now))
})

function handleEvent(event: PortMapperEvent): void {
  if (event.kind === 'http-wanted') {
    void answer(event.id, event.request) // never rejects
    return
  }
  tell({ ...event, afterMs: Math.round(systemClock.now() - startedAt) })
  if (event.kind === 'released') process.exit(0)
}

async function answer(id: number, request: Parameters<typeof fetchHttp>[0]): Promise<void> {
  const outcome = await fetchHttp(request)
  driver.change((now) => mapper.httpAnswered(now, id, outcome))
}

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function wantedMechanisms(): readonly Mechanism[] {
  return mechanisms.filter((mechanism) => process.argv.includes(mechanism))
}

function literal(address: string, port: number): Endpoint {
  const made = endpoint(address, port)
  if (!made.ok) throw new Error(made.why)
  return made.value
}
