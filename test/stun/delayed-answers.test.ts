import assert from 'node:assert/strict'
import { fromHex } from '../../src/core/bytes.ts'
import { instant } from '../../src/core/instant.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { decodeStun, encodeStun } from '../../src/stun/codec.ts'
import {
  attributeOf,
  BINDING,
  endpointOf,
  newTransactionId,
  type StunMessage,
  type TransactionId,
  transactionIdOf,
  type WritableAttribute,
} from '../../src/stun/message.ts'
import {
  delayAttribute,
  delayOf,
  MAX_DELAY_SECONDS,
  PORTS_WANTED,
  portsOf,
  secondsLeftOf,
} from '../../src/stun/own-attributes.ts'
import { StunTransactions } from '../../src/stun/transactions.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { ipv4 } from './endpoints.ts'

const HOME = ipv4('198.51.100.7', 40_000)
const STRANGER = ipv4('192.0.2.9', 40_000)
const SERVER = ipv4('203.0.113.1', 3478)
const AT = bindingSocketId(1, 1)
const ID = transactionIdOf(fromHex('00112233445566778899aabb'))
const room: WritableAttribute = { kind: 'software', text: 'x'.repeat(200) }

function server(): BindingServer {
  return new BindingServer({
    sockets: [
      { id: AT, endpoint: SERVER },
      { id: bindingSocketId(1, 2), endpoint: { ...SERVER, port: 3479 } },
      { id: bindingSocketId(2, 1), endpoint: { ...SERVER, port: 53 }, isExtra: true },
    ],
    mayDelay: ({ address }) => address === HOME.address,
  })
}

function request(attributes: readonly WritableAttribute[], id: TransactionId = ID): Uint8Array {
  return encodeStun({ messageClass: 'request', method: BINDING, transactionId: id, attributes })
}

function drained(subject: BindingServer): readonly StunMessage[] {
  const messages: StunMessage[] = []
  for (let sent = subject.pollTransmit(); sent !== undefined; sent = subject.pollTransmit()) {
    const message = decodeStun(sent.bytes)
    assert.ok(message.ok)
    messages.push(message.value)
  }
  return messages
}

/** Runs its timers up to an instant; the answers with the times at which they left. */
function until(subject: BindingServer, endMs: number): readonly (readonly [number, StunMessage])[] {
  const left: (readonly [number, StunMessage])[] = []
  for (
    let at = subject.pollTimeout();
    at !== undefined && at <= endMs;
    at = subject.pollTimeout()
  ) {
    subject.handleTimeout(at)
    for (const message of drained(subject)) left.push([at, message])
  }
  return left
}

describe('DELAY', () => {
  const delay = { seconds: 15, isSilent: false }

  it('is promised at once and kept when its time has come, three times against loss', () => {
    const subject = server()
    subject.handleDatagram(instant(0), HOME, request([delayAttribute(delay), room]), AT)
    const [promise] = drained(subject)
    const late = until(subject, 60_000)

    assert.ok(promise !== undefined)
    assert.equal(secondsLeftOf(promise), 15)
    assert.deepEqual(endpointOf(promise, 'xor-mapped-address'), HOME)
    assert.deepEqual(
      late.map(([at, message]) => [at, secondsLeftOf(message), message.transactionId]),
      [15_000, 15_250, 15_500].map((at) => [at, 0, ID]),
    )
    assert.equal(subject.pollTimeout(), undefined)
  })

  it('may ask for silence until then', () => {
    const subject = server()
    const silent = delayAttribute({ ...delay, isSilent: true })
    subject.handleDatagram(instant(0), HOME, request([silent, room]), AT)

    assert.deepEqual(drained(subject), [])
    assert.equal(until(subject, 60_000).length, 3)
  })

  it('is the same wish when its request is repeated', () => {
    const subject = server()
    for (const at of [0, 250, 500]) {
      subject.handleDatagram(instant(at), HOME, request([delayAttribute(delay), room]), AT)
    }

    assert.equal(drained(subject).length, 3)
    assert.equal(until(subject, 60_000).length, 3)
  })

  it('is nothing that the server knows, for those whom nobody vouches for', () => {
    const subject = server()
    subject.handleDatagram(instant(0), STRANGER, request([delayAttribute(delay), room]), AT)
    const [refused] = drained(subject)

    assert.ok(refused !== undefined)
    assert.equal(attributeOf(refused, 'error-code')?.code, 420)
    assert.equal(subject.pollTimeout(), undefined)
  })

  it('never makes the server send more than it was sent', () => {
    for (let length = 0; length <= 300; length += 4) {
      for (const isSilent of [true, false]) {
        const subject = server()
        const padding: WritableAttribute = { kind: 'software', text: 'x'.repeat(length) }
        const bytes = request([delayAttribute({ ...delay, isSilent }), padding])
        subject.handleDatagram(instant(0), HOME, bytes, AT)
        let sent = 0
        for (const step of [0, 15_000, 15_250, 15_500]) {
          subject.handleTimeout(instant(step))
          for (let out = subject.pollTransmit(); out !== undefined; out = subject.pollTransmit()) {
            sent += out.bytes.length
          }
        }
        assert.ok(sent <= bytes.length, `${sent} bytes for ${bytes.length}`)
      }
    }
  })

  it('with RESPONSE-PORT, or out of range, is refused', () => {
    const port: WritableAttribute = { kind: 'response-port', port: 5000 }
    const tooLong = { seconds: MAX_DELAY_SECONDS + 1, isSilent: false }
    for (const bytes of [
      request([delayAttribute(delay), port, room]),
      request([delayAttribute(tooLong), room]),
      request([delayAttribute({ seconds: 0, isSilent: false }), room]),
    ]) {
      const subject = server()
      subject.handleDatagram(instant(0), HOME, bytes, AT)
      const [refused] = drained(subject)
      assert.ok(refused !== undefined)
      assert.equal(attributeOf(refused, 'error-code')?.code, 400)
    }
  })

  it('is kept for 64 at once from one network, and no more', () => {
    const subject = server()
    const random = new SeededRandom(1)
    let refused = 0
    for (let count = 0; count < 100; count++) {
      const bytes = request([delayAttribute(delay), room], newTransactionId(random))
      subject.handleDatagram(instant(0), HOME, bytes, AT)
      for (const message of drained(subject)) {
        if (attributeOf(message, 'error-code')?.code === 508) refused += 1
      }
    }

    assert.equal(refused, 36)
    assert.equal(until(subject, 60_000).length, 3 * 64)
  })

  it('is read back as it was written', () => {
    const message = decodeStun(request([delayAttribute({ seconds: 300, isSilent: true })]))

    assert.ok(message.ok)
    assert.deepEqual(delayOf(message.value), { seconds: 300, isSilent: true })
  })
})

describe('StunTransactions', () => {
  const schedule = { sendAtMs: [0, 250, 500], giveUpAtMs: 20_000 }

  function asked(): { readonly subject: StunTransactions; readonly bytes: Uint8Array } {
    const subject = new StunTransactions({ random: new SeededRandom(1) })
    const attributes = [delayAttribute({ seconds: 15, isSilent: false }), room]
    subject.request(instant(0), { server: SERVER, attributes, schedule, isForLater: true })
    const sent = subject.pollTransmit()
    assert.ok(sent !== undefined)
    return { subject, bytes: sent.bytes }
  }

  it('stops repeating when the answer is promised, and takes the late one', () => {
    const { subject, bytes } = asked()
    const peer = server()
    peer.handleDatagram(instant(0), HOME, bytes, AT)
    const promise = peer.pollTransmit()
    peer.handleTimeout(instant(15_000))
    const late = peer.pollTransmit()
    assert.ok(promise !== undefined && late !== undefined)

    subject.handleDatagram(instant(40), SERVER, promise.bytes)
    assert.equal(subject.pollTimeout(), 20_000)
    subject.handleDatagram(instant(15_040), SERVER, late.bytes)

    const outcome = subject.pollEvent()
    assert.equal(outcome?.kind, 'answered')
    assert.equal(secondsLeftOf(outcome.message), 0)
  })

  it('knows a promise that was not kept', () => {
    const { subject, bytes } = asked()
    const peer = server()
    peer.handleDatagram(instant(0), HOME, bytes, AT)
    const promise = peer.pollTransmit()
    assert.ok(promise !== undefined)

    subject.handleDatagram(instant(40), SERVER, promise.bytes)
    subject.handleTimeout(instant(20_000))

    const outcome = subject.pollEvent()
    assert.deepEqual(outcome?.kind === 'timed-out' && outcome.isPromised, true)
  })
})

describe('PORTS', () => {
  it('names the ports of the address that clients are sent to, where that fits', () => {
    const answerTo = (attributes: readonly WritableAttribute[]): StunMessage => {
      const subject = server()
      subject.handleDatagram(instant(0), STRANGER, request(attributes), AT)
      const [answer] = drained(subject)
      assert.ok(answer !== undefined)
      return answer
    }

    assert.deepEqual(portsOf(answerTo([PORTS_WANTED, room])), [3478, 3479, 53])
    assert.equal(portsOf(answerTo([PORTS_WANTED])), undefined)
    assert.equal(portsOf(answerTo([room])), undefined)
  })
})

describe('an extra socket', () => {
  const extra = bindingSocketId(2, 1)

  it('answers, is no other address, and changes nothing', () => {
    const subject = server()
    const change: WritableAttribute = {
      kind: 'change-request',
      changeAddress: false,
      changePort: true,
    }
    subject.handleDatagram(instant(0), STRANGER, request([room]), extra)
    subject.handleDatagram(instant(0), STRANGER, request([change, room]), extra)
    subject.handleDatagram(instant(0), STRANGER, request([change, room]), AT)
    const [plain, refused, changed] = drained(subject)

    assert.ok(plain !== undefined && refused !== undefined && changed !== undefined)
    assert.equal(endpointOf(plain, 'other-address'), undefined)
    assert.equal(attributeOf(refused, 'error-code')?.code, 420)
    assert.deepEqual(endpointOf(changed, 'response-origin')?.port, 3479)
  })
})
