import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { concatBytes, toHex } from '../../src/core/bytes.ts'
import { MAX_PEER_MESSAGE_BYTES, MAX_QUEUED_BYTES, PeerChat } from '../../src/daemon/peer-chat.ts'

describe('PeerChat', () => {
  it('carries messages whole and in order, however the stream takes and gives the bytes', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 20 })
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 700 }), (sent, portion) => {
        const sender = new PeerChat()
        const receiver = new PeerChat()
        for (const message of sent) assert.equal(sender.queue(message), true)

        const received: string[] = []
        while (sender.queuedBytes > 0) {
          let room = portion
          const stream: Uint8Array[] = []
          sender.flush((bytes) => {
            const taken = Math.min(room, bytes.length)
            room -= taken
            stream.push(bytes.slice(0, taken))
            return taken
          })
          const result = receiver.receive(concatBytes(...stream))
          assert.ok(result.ok)
          received.push(...result.value.map(toHex))
        }

        assert.deepEqual(received, sent.map(toHex))
      }),
    )
  })

  it('refuses what has no room, and tells once when half of it is free', () => {
    const chat = new PeerChat()
    const message = new Uint8Array(64 * 1024)
    let accepted = 0
    while (chat.queue(message)) accepted += 1
    assert.ok(chat.queuedBytes <= MAX_QUEUED_BYTES)
    assert.equal(accepted, 3)

    const take = (limit: number) => {
      let room = limit
      return chat.flush((bytes) => {
        const taken = Math.min(room, bytes.length)
        room -= taken
        return taken
      })
    }

    assert.equal(take(1000), false)
    assert.equal(take(100_000), true)
    assert.equal(take(1000), false)
    assert.equal(chat.queue(message), true)
  })

  it('takes one message of the greatest length whenever nothing waits, and no longer one ever', () => {
    const chat = new PeerChat()

    assert.equal(chat.queue(new Uint8Array(MAX_PEER_MESSAGE_BYTES)), true)
    assert.throws(() => chat.queue(new Uint8Array(MAX_PEER_MESSAGE_BYTES + 1)), RangeError)
    assert.throws(() => chat.queue(new Uint8Array(0)), RangeError)
  })

  it('gives up a stream that announces a message beyond the limit', () => {
    const chat = new PeerChat()
    const header = Buffer.alloc(4)
    header.writeUInt32BE(MAX_PEER_MESSAGE_BYTES + 1)

    assert.equal(chat.receive(header).ok, false)
    assert.equal(chat.receive(Uint8Array.of(0, 0, 0, 1, 65)).ok, false)
  })
})
