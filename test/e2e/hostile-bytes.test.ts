import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { messageArrives, type Person, type Server } from '../support/household.ts'
import { DIRECT, Playground } from './support.ts'

/** So many malformed datagrams of each kind go to each port while two people talk. */
const ROUNDS = 200

describe('bytes that make no sense', () => {
  let playground: Playground
  let server: Server
  let alice: Person
  let bob: Person

  before(async () => {
    playground = await Playground.create()
    server = await playground.startServer()
    ;[alice, bob] = await playground.friends(server)
    await Promise.all([alice.pathOfKind('bob', DIRECT), bob.pathOfKind('alice', DIRECT)])
  })

  after(async () => {
    await playground.close()
  })

  async function stillTalk(text: string): Promise<void> {
    await alice.json(['send', 'bob', text, '--wait', 'delivered'])
    await bob.json(['send', 'alice', text, '--wait', 'delivered'])
    await Promise.all([messageArrives(alice, text), messageArrives(bob, text)])
    assert.equal(server.program.hasExited, false)
    assert.equal(alice.daemon.hasExited, false)
    assert.equal(bob.daemon.hasExited, false)
  }

  it('at both UDP ports of a conversation and of the server harm nobody', async () => {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const ports = [await udpPort(alice), await udpPort(bob), await stunPort(alice)]

    for (let round = 0; round < ROUNDS; round++) {
      for (const port of ports) await sendAll(socket, port, malformedDatagrams(round))
    }
    await stillTalk('after the datagrams')
    socket.close()

    const { dropped } = await alice.request('net.status', {})
    assert.ok(sum(Object.values(dropped)) > 0, JSON.stringify(dropped))
  })

  it('at the TCP port are hung up on', async () => {
    const { host, port } = tcpAddress(server)
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(4096, 0xff)]) {
      const socket = connectTcp(port, host)
      socket.on('error', () => undefined)
      socket.end(bytes)
      socket.resume()
      await once(socket, 'close')
    }

    await stillTalk('after plain TCP')
  })

  for (const [what, bytes] of malformedFrames()) {
    it(`inside TLS are hung up on: ${what}`, async () => {
      const { host, port } = tcpAddress(server)
      const options = { host, port, rejectUnauthorized: false, ALPNProtocols: ['holler-xml/1'] }
      const socket = connectTls(options)
      socket.on('error', () => undefined)
      await once(socket, 'secureConnect')

      socket.write(bytes)
      socket.resume()
      await once(socket, 'close')

      await stillTalk(`after ${what}`)
    })
  }
})

function malformedFrames(): readonly (readonly [string, Buffer])[] {
  return [
    ['a frame longer than any may be', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x00])],
    ['a frame that is not UTF-8', frame(Buffer.from([0xc3, 0x28, 0xa0, 0xa1]))],
    ['a frame that is not XML', frame(Buffer.from('{"hello":1}'))],
    ['a document type', frame(Buffer.from('<!DOCTYPE x [<!ENTITY y "z">]><hello>&y;</hello>'))],
    ['nesting without end', frame(Buffer.from('<a>'.repeat(1000)))],
  ]
}

function frame(payload: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(payload.length)
  return Buffer.concat([length, payload])
}

/** Of every kind that shares the port, too short, too long and with contents that are wrong in each round differently. */
function malformedDatagrams(round: number): readonly Buffer[] {
  const noise = Buffer.from(
    Array.from({ length: 64 }, (_, index) => (round * 31 + index * 17) % 256),
  )
  return [0x00, 0x40, 0x80, 0xc0].flatMap((kind) => [
    Buffer.from([kind]),
    Buffer.from([kind | (round % 64), ...noise]),
    Buffer.concat([Buffer.from([kind, round % 256]), Buffer.alloc(1300, round)]),
  ])
}

async function sendAll(socket: Socket, port: number, datagrams: readonly Buffer[]): Promise<void> {
  const sent = datagrams.map(
    (bytes) => new Promise((resolve) => socket.send(bytes, port, '127.0.0.1', resolve)),
  )
  await Promise.all(sent)
}

async function udpPort(person: Person): Promise<number> {
  const { udp } = await person.request('status.get', {})
  return portOf(udp)
}

/** The server's UDP port, seen in the path through its relay. */
async function stunPort(person: Person): Promise<number> {
  await person.json(['buddy', 'policy', 'bob', '--path', 'relay'])
  const { remote } = await person.pathOfKind('bob', ['relay'])
  await person.json(['buddy', 'policy', 'bob', '--path', 'auto'])
  await person.pathOfKind('bob', DIRECT)
  return portOf(remote)
}

function portOf(endpoint: string | null): number {
  const port = /:(\d+)$/.exec(endpoint ?? '')?.[1]
  assert.ok(port, `no port in ${String(endpoint)}`)
  return Number(port)
}

function tcpAddress({ link }: Server): { host: string; port: number } {
  const match = /^holler:\/\/([^:]+):(\d+)/.exec(link)
  return { host: match?.[1] ?? '', port: Number(match?.[2]) }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
