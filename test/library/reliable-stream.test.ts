import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { type Command, ReliableStream } from '../../src/library/reliable-stream.ts'
import { streamIdOf, streamKind } from '../../src/reliable-udp/streams/stream-id.ts'

const id = streamIdOf('initiator', streamKind('bulk', 'bidirectional'), 0)

/** Whatever the command is, it takes the next piece. */
function taking(take: () => Uint8Array | undefined): Command {
  return take as unknown as Command
}

describe('ReliableStream', () => {
  it('hands out the last bytes before the end that was told while they were taken', async () => {
    const pieces = [Buffer.from('to the '), Buffer.from('end')]
    const command = taking(() => {
      const piece = pieces.shift()
      if (pieces.length === 0 && piece !== undefined) {
        stream.handle({ kind: 'stream-finished', stream: id })
      }
      return piece
    })
    const stream = new ReliableStream(id, false, command)

    assert.equal((await buffer(stream)).toString(), 'to the end')
  })

  it('keeps the order when more can be read while bytes are being taken', async () => {
    const pieces = [Buffer.from('1'), Buffer.from('2'), Buffer.from('3')]
    const command = taking(() => {
      const piece = pieces.shift()
      if (piece === undefined) return undefined
      stream.handle({ kind: 'stream-readable', stream: id })
      if (pieces.length === 0) stream.handle({ kind: 'stream-finished', stream: id })
      return piece
    })
    const stream = new ReliableStream(id, false, command)

    assert.equal((await buffer(stream)).toString(), '123')
  })
})
