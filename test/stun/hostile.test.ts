import assert from 'node:assert/strict'
import type { DatagramSocket } from '../../src/core/datagram-socket.ts'
import { formatEndpoint, sameEndpoint } from '../../src/core/endpoint.ts'
import { type Driver, drive } from '../../src/io/drive.ts'
import { systemRandom } from '../../src/io/random.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import { openUdpSocket } from '../../src/io/udp-socket.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { encodeStun } from '../../src/stun/codec.ts'
import {
  BINDING,
  newTransactionId,
  transactionIdOf,
  type WritableAttribute,
} from '../../src/stun/message.ts'
import { delayAttribute, PORTS_WANTED } from '../../src/stun/own-attributes.ts'
import { type StunOutcome, StunTransactions } from '../../src/stun/transactions.ts'
import { mutations } from './mutations.ts'

/** `FUZZ_STUN_MESSAGES=100000` as in CI: each costs its way through two live sockets. */
const MESSAGES = Number(process.env['FUZZ_STUN_MESSAGES'] ?? 20_000)

/** libuv reads at most 32 datagrams of a socket in one turn: with such steps, nearly all of a flood is read. */
const STEP = 30

/** A table that grew by each message would need more than 100 bytes for each. */
const MAX_GROWTH_BYTES = 48 * 1024 * 1024

function request(attributes: readonly WritableAttribute[] = []): Uint8Array {
  const transactionId = newTransactionId(systemRandom)
  return encodeStun({ messageClass: 'request', method: BINDING, transactionId, attributes })
}

const room: WritableAttribute = { kind: 'software', text: 'x'.repeat(100) }

describe('STUN on live sockets, under attack', function () {
  this.timeout(120_000)
  let serverSocket: DatagramSocket
  let clientSocket: DatagramSocket
  let attacker: DatagramSocket
  let server: BindingServer
  let transactions: StunTransactions
  let serving: Driver
  let asking: Driver
  let onOutcome: (outcome: StunOutcome) => void = () => undefined

  beforeEach(async () => {
    serverSocket = await openUdpSocket({ address: '127.0.0.1', port: 0 })
    clientSocket = await openUdpSocket({ address: '127.0.0.2', port: 0 })
    attacker = await openUdpSocket({ address: '127.0.0.3', port: 0 })
    const id = bindingSocketId(1, 1)
    server = new BindingServer({ sockets: [{ id, endpoint: serverSocket.local }] })
    serving = drive(server, {
      clock: systemClock,
      sockets: { primary: [], named: new Map([[id, serverSocket]]) },
      onEvent: () => undefined,
    })
    transactions = new StunTransactions({ random: systemRandom })
    asking = drive(transactions, {
      clock: systemClock,
      sockets: { primary: [clientSocket] },
      onEvent: (outcome) => onOutcome(outcome),
    })
  })

  afterEach(async () => {
    serving.stop()
    asking.stop()
    await Promise.all([serverSocket, clientSocket, attacker].map((socket) => socket.close()))
  })

  function ask(): Promise<StunOutcome> {
    return new Promise((resolve) => {
      onOutcome = resolve
      asking.change((now) => transactions.request(now, { server: serverSocket.local }))
    })
  }

  async function assertRight(): Promise<void> {
    const outcome = await ask()
    assert.equal(outcome.kind, 'answered')
    assert.equal(formatEndpoint(outcome.mapped), formatEndpoint(clientSocket.local))
  }

  /** Sends all of it, and lets whoever is meant read between the steps. */
  async function flood(to: DatagramSocket, messages: Iterable<Uint8Array>): Promise<void> {
    let sent = 0
    for (const bytes of messages) {
      attacker.send(to.local, bytes)
      sent += 1
      if (sent % STEP === 0) await new Promise((done) => setImmediate(done))
    }
  }

  it(`a server that got ${MESSAGES} mutated requests answers the next one, and has not grown`, async () => {
    const samples = [
      request(),
      request([room]),
      request([{ kind: 'change-request', changeAddress: true, changePort: true }]),
      request([{ kind: 'response-port', port: 4000 }]),
      request([{ kind: 'padding', lengthBytes: 64 }]),
      request([delayAttribute({ seconds: 15, isSilent: true }), room]),
      request([PORTS_WANTED, room]),
    ]
    await assertRight()
    const before = process.memoryUsage().rss
    let repliedBytes = 0
    attacker.onDatagram((_from, bytes) => (repliedBytes += bytes.length))

    await flood(serverSocket, mutations(samples, MESSAGES))

    await assertRight()
    const { answered, refused, dropped } = server.stats
    const seen = answered + refused + Object.values(dropped).reduce((sum, count) => sum + count, 0)
    assert.ok(seen > MESSAGES / 10, `${seen} arrived`)
    assert.ok(process.memoryUsage().rss - before < MAX_GROWTH_BYTES)
    assert.ok(repliedBytes < MESSAGES * 80)
  })

  it(`a client that got ${MESSAGES} mutated and forged answers takes the true one`, async () => {
    const silent = await openUdpSocket({ address: '127.0.0.4', port: 0 })
    let forged: Uint8Array | undefined
    silent.onDatagram((_from, bytes) => {
      // The right transaction, an address of the attacker's choice; from the wrong place, as he is nowhere else.
      forged ??= encodeStun({
        messageClass: 'success',
        method: BINDING,
        transactionId: transactionIdOf(bytes.subarray(8, 20)),
        attributes: [{ kind: 'xor-mapped-address', endpoint: attacker.local }],
      })
    })
    const outcomes: StunOutcome[] = []
    onOutcome = (outcome) => outcomes.push(outcome)
    const schedule = { sendAtMs: [0, 100, 200, 400], giveUpAtMs: 60_000 }
    asking.change((now) => transactions.request(now, { server: silent.local, schedule }))
    while (forged === undefined) await new Promise((done) => setImmediate(done))
    const before = process.memoryUsage().rss

    await flood(clientSocket, mutations([forged, request(), request([room])], MESSAGES))
    await flood(
      clientSocket,
      Array.from({ length: 500 }, () => forged ?? new Uint8Array()),
    )

    assert.deepEqual(outcomes, [])
    assert.ok(transactions.ignored > MESSAGES / 10, `${transactions.ignored} arrived`)
    assert.ok(process.memoryUsage().rss - before < MAX_GROWTH_BYTES)
    await assertRight()
    await silent.close()
  })

  it('never sends more than 1.6 times a bare request, nor more than any other request', () => {
    const id = bindingSocketId(1, 1)
    const sockets = [1, 2].flatMap((port) => ({
      id: bindingSocketId(1, port === 1 ? 1 : 2),
      endpoint: { ...serverSocket.local, port: 3477 + port },
    }))
    const subject = new BindingServer({ sockets, courtesy: 'none', mayDelay: () => true })
    const samples = [
      request([room]),
      request([{ kind: 'padding', lengthBytes: 1200 }]),
      request([delayAttribute({ seconds: 1, isSilent: false }), room]),
      request([PORTS_WANTED, room, room]),
    ]
    const sentTo = (bytes: Uint8Array, from = clientSocket.local): number => {
      subject.handleDatagram(systemClock.now(), from, bytes, id)
      let sent = 0
      for (let out = subject.pollTransmit(); out !== undefined; out = subject.pollTransmit()) {
        assert.ok(sameEndpoint(out.to, from) || out.to.address === from.address)
        sent += out.bytes.length
      }
      return sent
    }

    assert.equal(sentTo(request()) / request().length, 1.6)
    let index = 0
    for (const bytes of mutations(samples, 20_000)) {
      // From another network each, so that no bucket hides what would be sent.
      index += 1
      const address = `10.${index >> 8}.${index & 255}.1`
      const sent = sentTo(bytes, { ...clientSocket.local, address })
      assert.ok(sent <= Math.max(bytes.length, 32), `${sent} bytes for ${bytes.length}`)
    }
  })
})
