import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { BatchSender } from '../../src/io/batch-sender.ts'
import type { Libc } from '../../src/io/libc.ts'

const EIO = 5
const EAGAIN = 11
const EINVAL = 22
const to: Endpoint = { family: 4, address: '192.0.2.1', port: 5000 }
const batch = new Uint8Array(4_500)

/** A kernel that answers as it is told and counts what it was asked. */
function kernel(
  answer: number,
  hasSegments = true,
): { readonly libc: Libc; readonly asked: () => number } {
  let asked = 0
  const libc: Libc = {
    setOption: () => hasSegments,
    sendMessage: () => {
      asked += 1
      return answer
    },
    receiveMany: () => 0,
    sendMany: () => 0,
    addressOf: () => 4096n,
  }
  return { libc, asked: () => asked }
}

describe('BatchSender', () => {
  it('is not opened where the kernel does not know segments', () => {
    assert.equal(BatchSender.open(kernel(0, false).libc, 3), undefined)
  })

  for (const [name, answer, segmentBytes] of [
    ['EIO, whatever the size', -EIO, 1_472],
    ['EINVAL for a size that fits everywhere', -EINVAL, 1_200],
  ] as const) {
    it(`never tries again after ${name}`, () => {
      const { libc, asked } = kernel(answer)
      const sender = BatchSender.open(libc, 3)

      const isTaken = [0, 1].map(() => sender?.send(to, batch, segmentBytes))

      assert.deepEqual(isTaken, [false, false])
      assert.equal(sender?.isOn, false)
      assert.equal(asked(), 1)
    })
  }

  for (const [name, answer] of [
    ['a full buffer', -EAGAIN],
    ['EINVAL for a size that the interface may not carry', -EINVAL],
  ] as const) {
    it(`tries the next batch after ${name}`, () => {
      const { libc, asked } = kernel(answer)
      const sender = BatchSender.open(libc, 3)

      const isTaken = [0, 1].map(() => sender?.send(to, batch, 1_472))

      assert.deepEqual(isTaken, [false, false])
      assert.equal(sender?.isOn, true)
      assert.equal(asked(), 2)
    })
  }
})
