import assert from 'node:assert/strict'
import type { Instant } from '../../src/core/instant.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { MAX_OUTPUT_BYTES, MessageStream } from '../../src/server/message-stream.ts'
import { ManualTime, settle } from './support/manual-time.ts'
import { MemoryStream } from './support/memory-stream.ts'
import { at, countingRandom } from './support/test-server.ts'

interface Setup {
  readonly stream: MemoryStream
  readonly messages: MessageStream
  readonly closed: string[]
}

function setUp(): Setup {
  const time = new ManualTime()
  const stream = new MemoryStream({
    exporter: new Uint8Array(32),
    local: at('198.51.100.1:7443'),
    remote: at('192.0.2.1:1000'),
  })
  const closed: string[] = []
  const outside = {
    clock: time,
    random: countingRandom(),
    logger: silentLogger,
    makeAlarm: (onDue: (now: Instant) => void) => time.makeAlarm(onDue),
  }
  const messages = new MessageStream(stream, outside, {
    onMessage: () => Promise.resolve(),
    onHeard: () => undefined,
    onSpoilt: (why) => closed.push(why),
    onClosed: (why) => closed.push(why),
    onDeadline: () => undefined,
  })
  messages.start()
  return { stream, messages, closed }
}

describe('MessageStream', () => {
  it('keeps 256 KiB for a client that does not read, and cuts it at the next byte', () => {
    const { stream, messages, closed } = setUp()
    const frame = new Uint8Array(64 * 1024)

    stream.client.stopReading()
    for (let count = 0; count < 4; count++) messages.sendFrame(frame)
    assert.equal(stream.queuedBytes, MAX_OUTPUT_BYTES)
    assert.deepEqual(closed, [])
    messages.sendFrame(Uint8Array.of(1))

    assert.deepEqual(closed, ['does not read'])
    assert.equal(stream.queuedBytes, 0)
  })

  it('lets a long list go on when the client has read, or is gone', async () => {
    const { stream, messages } = setUp()
    let pages = 0
    const page = async (): Promise<void> => {
      await messages.mayPage()
      pages += 1
    }

    stream.client.stopReading()
    messages.sendFrame(new Uint8Array(65 * 1024))
    void page()
    await settle()
    assert.equal(pages, 0)
    stream.client.readOn()
    await settle()
    assert.equal(pages, 1)
    stream.client.stopReading()
    messages.sendFrame(new Uint8Array(65 * 1024))
    void page()
    stream.client.hangUp()
    await settle()

    assert.equal(pages, 2)
  })

  it('says nothing more after it was closed', () => {
    const { stream, messages, closed } = setUp()
    let heard = 0
    stream.client.onBytes = () => (heard += 1)

    messages.close()
    messages.send({ kind: 'ok', id: 1 })

    assert.equal(heard, 0)
    assert.deepEqual(closed, [])
  })
})
