import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { loadLibc } from '../../src/io/libc.ts'
import { useSmallSegments } from '../../src/io/small-segments.ts'

// What it does to segments is seen in test/lab/lines.lab.ts.
describe('useSmallSegments()', () => {
  it('is taken by the kernel for a server that listens, and by nobody for one that does not', async () => {
    const server = createServer()
    assert.equal(useSmallSegments(server), false)
    server.listen({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')

    const isTaken = useSmallSegments(server)

    server.close()
    assert.equal(isTaken, loadLibc() !== undefined)
  })
})
