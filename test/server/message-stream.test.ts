import assert from 'node:assert/strict'
import type { Instant } from '../../src/core/instant.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { silentLogger } from '../../src/core/logger.ts'
import { MAX_OUTPUT_BYTES, MessageStream } from '../../src/server/message-stream.ts'
import { encodeFrame } from '../../src/tcp/frame.ts'
import { ManualTime, settle } from './support/manual-time.ts'
import { MemoryStream } from './support/memory-stream.ts'
import { at, countingRandom } from './support/test-server.ts'

interface Setup {
  readonly stream: MemoryStream
  readonly messages: MessageStream
  readonly closed: string[]
}

function setUp(onMessage: (bytes: Uint8Array) => Promise<void> = () => Promise.resolve()): Setup {
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
    onMessage,
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

  it('hands messages on as they came, one at a time, and reads no further while many wait', async () => {
    const heard: string[] = []
    const goOn: (() => void)[] = []
    const { stream } = setUp(async (bytes) => {
      heard.push(Buffer.from(bytes).toString())
      await new Promise<void>((resolve) => goOn.push(resolve))
    })
    const chunk = Buffer.concat(
      Array.from({ length: 18 }, (_, n) => encodeFrame(utf8(`not XML ${n}`))),
    )

    stream.client.send(chunk)
    chunk.fill(0) // the socket's memory is the socket's
    stream.client.send(encodeFrame(utf8('later')))
    assert.deepEqual(heard, ['not XML 0'])
    assert.equal(stream.isPaused, true)
    for (let count = 0; count < 18; count++) {
      goOn.shift()?.()
      await settle()
    }

    assert.equal(heard.at(17), 'not XML 17')
    assert.equal(heard.at(18), 'later')
    assert.equal(stream.isPaused, false)
  })

  it('reads no further while 64 KiB wait', () => {
    const { stream } = setUp(() => new Promise(() => undefined))
    const frame = encodeFrame(new Uint8Array(4_096))

    for (let count = 0; count < 17; count++) stream.client.send(frame)
    assert.equal(stream.isPaused, false)
    stream.client.send(frame)

    assert.equal(stream.isPaused, true)
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
