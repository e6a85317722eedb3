import assert from 'node:assert/strict'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { type Endpoint, formatEndpoint } from '../../src/core/endpoint.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { Report } from '../../src/natprobe/report.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import { BINDING, type WritableAttribute } from '../../src/stun/message.ts'
import { natprobeReport } from '../support/natprobe.ts'

/** What a NAT would make of every socket. */
const PUBLIC = (port: number): Endpoint => ({ family: 4, address: '198.51.100.7', port })

interface Ended {
  readonly status: number
  readonly report: Report
}

const natprobe = (...args: readonly string[]): Promise<Ended> => natprobeReport('--quick', ...args)

/** Servers that do not do what RFC 5780 wants: the process is natprobe's, the answers are these. */
describe('natprobe, asking servers that do less', function () {
  this.timeout(60_000) // starts processes, on a machine that may be busy

  const sockets: DatagramSocket[] = []

  afterEach(async () => {
    await Promise.all(sockets.splice(0).map((socket) => socket.close()))
  })

  /** Answers every request from where it came in, whatever it asks for. */
  async function server(
    address: string,
    mappedPort: (port: number) => number,
    further: readonly WritableAttribute[] = [],
  ): Promise<string> {
    const socket = await openUdpSocket({ address, port: 0 })
    sockets.push(socket)
    answer(socket, mappedPort, further)
    return formatEndpoint(socket.local)
  }

  function answer(
    socket: DatagramSocket,
    mappedPort: (port: number) => number,
    further: readonly WritableAttribute[],
  ): void {
    socket.onDatagram((from, bytes) => {
      const message = decodeStun(bytes)
      if (!message.ok) return
      const endpoint = PUBLIC(mappedPort(from.port))
      const attributes = [{ kind: 'xor-mapped-address', endpoint } as const, ...further]
      const { transactionId } = message.value
      socket.send(
        from,
        encodeStun({ messageClass: 'success', method: BINDING, transactionId, attributes }),
      )
    })
  }

  const same = (port: number): number => port

  it('one plain server: a NAT is seen, its kind is not', async () => {
    const { status, report } = await natprobe(await server('127.0.0.1', same))

    const { natted, mapping, filtering } = report.families.ipv4 ?? {}
    assert.deepEqual([status, report.verdict], [20, 'inconclusive'])
    assert.deepEqual([natted, mapping?.value, filtering?.value], [true, 'unknown', 'unknown'])
  })

  it('three plain servers tell the mapping, and nothing of the filter', async () => {
    const cone = await Promise.all(
      ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => server(address, same)),
    )
    const symmetric = await Promise.all(
      ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address, n) =>
        server(address, (port) => ((port + 100 * n) % 60_000) + 1024),
      ),
    )
    const [direct, relayed] = await Promise.all([natprobe(...cone), natprobe(...symmetric)])

    const of = ({ report }: Ended): readonly unknown[] => {
      const { mapping, filtering } = report.families.ipv4 ?? {}
      return [report.verdict, mapping?.value, filtering?.value]
    }
    assert.deepEqual([direct.status, relayed.status], [0, 10])
    assert.deepEqual(of(direct), ['direct', 'endpoint-independent', 'unknown'])
    assert.deepEqual(of(relayed), ['relay-likely', 'address-and-port-dependent', 'unknown'])
  })

  it('one address with two ports: endpoint-independent or address-dependent, and no more is said', async () => {
    const first = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    const second = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    sockets.push(first, second)
    // As one machine with one address answers, though it names its other port: the address is not another one.
    const named = { kind: 'other-address', endpoint: second.local } as const
    for (const socket of [first, second]) answer(socket, same, [named])
    const twoPorts = [first, second].map(({ local }) => formatEndpoint(local))

    const [one, both] = await Promise.all([natprobe(twoPorts[0] ?? ''), natprobe(...twoPorts)])

    for (const { status, report } of [one, both]) {
      const { filtering } = report.families.ipv4 ?? {}
      assert.deepEqual([status, report.verdict], [20, 'inconclusive'])
      assert.equal(filtering?.value, 'unknown')
      assert.equal(report.servers[0]?.hasAlternateAddress, false)
    }
    assert.equal(one.report.families.ipv4?.mapping.value, 'unknown')
    assert.equal(both.report.families.ipv4?.mapping.value, 'eim-or-adm')
    assert.match(both.report.advice.join(), /one address only/)
  })

  it('one that ignores CHANGE-REQUEST is not taken for a NAT without a filter', async () => {
    const [mainAddress, otherAddress] = ['127.0.0.1', '127.0.0.2']
    const ports = await Promise.all(
      [0, 0].map((port) => openUdpSocket({ address: mainAddress, port })),
    )
    sockets.push(...ports)
    const [main, mainOther] = ports
    assert.ok(main !== undefined && mainOther !== undefined)
    const named = {
      kind: 'other-address',
      endpoint: { ...mainOther.local, address: otherAddress },
    } as const
    for (const socket of ports) {
      const other = await openUdpSocket({ address: otherAddress, port: socket.local.port })
      sockets.push(other)
      for (const each of [socket, other]) answer(each, same, [named])
    }

    const { status, report } = await natprobe(formatEndpoint(main.local))

    const { mapping, filtering } = report.families.ipv4 ?? {}
    assert.deepEqual([status, report.verdict], [0, 'direct'])
    assert.deepEqual([mapping?.value, filtering?.value], ['endpoint-independent', 'unknown'])
    assert.match(filtering?.notes?.join() ?? '', /does not answer from where CHANGE-REQUEST says/)
  })

  it('one whose other address is dead: no silence of it is taken for a filter', async () => {
    const other = await openUdpSocket({ address: '127.0.0.2', port: 0 })
    sockets.push(other)
    const named = { kind: 'other-address', endpoint: other.local } as const
    const { status, report } = await natprobe(await server('127.0.0.1', same, [named]))

    assert.deepEqual([status, report.verdict], [20, 'inconclusive'])
    assert.equal(report.families.ipv4?.filtering.value, 'unknown')
  })

  it('one whose OTHER-ADDRESS is private is asked no further', async () => {
    const named = {
      kind: 'other-address',
      endpoint: { family: 4, address: '192.168.7.7', port: 3479 },
    } as const
    const { status, report } = await natprobe(await server('127.0.0.1', same, [named]))

    const { mapping, filtering } = report.families.ipv4 ?? {}
    assert.equal(status, 20)
    assert.deepEqual([mapping?.value, filtering?.value], ['unknown', 'unknown'])
    assert.equal(report.servers[0]?.hasAlternateAddress, false)
  })
})
