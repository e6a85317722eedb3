import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { formatEndpoint } from '../../src/core/endpoint.ts'
import { systemRandom } from '../../src/io/random.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { BIND_BYTES, channelOf, encodeRelayFrame } from '../../src/protocol/relay/frames.ts'
import { TICKET_BYTES } from '../../src/protocol/relay/ticket.ts'
import { encodeStun } from '../../src/stun/codec.ts'
import { BINDING, newTransactionId } from '../../src/stun/message.ts'
import { Siege } from './support/siege.ts'

/** Of each kind. CI sends 50,000. */
const FLOOD = Number(process.env['FLOOD_DATAGRAMS'] ?? 5_000)

/** Each from a port of its own: a server that kept anything for a source would keep it so many times. */
const SOURCES = 200

/** A source that is kept costs at least 100 bytes, and coturn's 19 KiB: this is garbage not collected yet. */
const MOST_GROWTH_KIB = 64 * 1024

const STEP = 64

function bareBinding(): Uint8Array {
  const transactionId = newTransactionId(systemRandom)
  return encodeStun({ messageClass: 'request', method: BINDING, transactionId, attributes: [] })
}

function bindWithoutCookie(): Uint8Array {
  return encodeRelayFrame({
    kind: 'bind',
    nonce: randomBytes(8),
    cookie: new Uint8Array(16),
    ticket: randomBytes(TICKET_BYTES),
    signature: new Uint8Array(64),
  })
}

function dataOnNoChannel(): Uint8Array {
  const channel = channelOf(randomBytes(8))
  return encodeRelayFrame({ kind: 'data', channel, payload: randomBytes(1_100) })
}

/** What the answers may be of what was asked: `docs/protocol/stun.md` and `relay.md`. */
const floods = [
  { name: 'STUN requests', make: bareBinding, mostAnswered: 1.6 },
  { name: 'relay BINDs without a cookie', make: bindWithoutCookie, mostAnswered: 25 / BIND_BYTES },
  { name: 'relay data on no channel', make: dataOnNoChannel, mostAnswered: 9 / 1_109 },
  { name: 'noise', make: () => randomBytes(300), mostAnswered: 1 },
  { name: 'one byte', make: () => randomBytes(1), mostAnswered: 1 },
]

describe('a flood of datagrams from nobody', function () {
  this.timeout(180_000)
  let siege: Siege
  // Others for each flood, all kept to the end: late answers to an earlier flood find its own ports, and no port is given
  // to a later one.
  let sources: readonly DatagramSocket[]
  const opened: DatagramSocket[] = [] // ≤ SOURCES for each test

  before(async () => {
    siege = await Siege.begin()
  })

  after(async () => {
    await Promise.all(opened.map((socket) => socket.close()))
    await siege.end()
  })

  beforeEach(async () => {
    const open = (): Promise<DatagramSocket> => openUdpSocket({ address: '127.0.0.1', port: 0 })
    sources = await Promise.all(Array.from({ length: SOURCES }, open))
    opened.push(...sources)
  })

  for (const { name, make, mostAnswered } of floods) {
    it(`of ${name} is answered by less than it brings, and kept nothing of`, async () => {
      let sentBytes = 0
      let answeredBytes = 0
      for (const socket of sources)
        socket.onDatagram((_from, { length }) => (answeredBytes += length))
      await siege.stillServes()
      const before = await siege.consumption()

      for (let sent = 0; sent < FLOOD; sent++) {
        const bytes = make()
        sources[sent % SOURCES]?.send(siege.udp, bytes)
        sentBytes += bytes.length
        if (sent % STEP === 0) await new Promise((done) => setImmediate(done))
      }

      await siege.stillServes()
      const after = await siege.consumption()
      const where = formatEndpoint(siege.udp)
      assert.ok(
        answeredBytes <= sentBytes * mostAnswered,
        `${answeredBytes} of ${sentBytes} ${where}`,
      )
      const grownKib = after.residentKib - before.residentKib
      assert.ok(grownKib < MOST_GROWTH_KIB, `${grownKib} KiB more`)
      assert.ok(after.cpuMs > before.cpuMs, 'nothing of it arrived')
    })
  }

  it('leaves STUN to those who ask meanwhile', async () => {
    const [attacker, asker] = sources
    assert.ok(attacker !== undefined && asker !== undefined)
    const question = bareBinding()
    const answered = new Promise<void>((resolve) => {
      asker.onDatagram((_from, bytes) => {
        if (Buffer.from(bytes.subarray(8, 20)).equals(question.subarray(8, 20))) resolve()
      })
    })
    // As a client does: asked again, for some of a flood is lost on the way, and of the asker's too.
    for (let isAnswered = false; !isAnswered;) {
      for (let sent = 0; sent < STEP; sent++) attacker.send(siege.udp, dataOnNoChannel())
      asker.send(siege.udp, question)
      isAnswered = await Promise.race([
        answered.then(() => true),
        new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
      ])
    }
  })
})
