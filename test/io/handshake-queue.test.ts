import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { HandshakeQueue } from '../../src/io/handshake-queue.ts'
import { ManualClock } from '../daemon/support/manual-clock.ts'

describe('HandshakeQueue', () => {
  let begun: Socket[]
  let queue: HandshakeQueue

  beforeEach(() => {
    begun = []
    queue = new HandshakeQueue((socket) => begun.push(socket))
  })

  afterEach(() => queue.close())

  function add(count: number): readonly Socket[] {
    const sockets = Array.from({ length: count }, () => new Socket())
    for (const socket of sockets) queue.add(socket, undefined)
    return sockets
  }

  it('begins four in each turn of the event loop, the newest first', async () => {
    const sockets = add(6)

    assert.equal(begun.length, 0)
    await turn()
    assert.deepEqual(
      begun.map((socket) => sockets.indexOf(socket)),
      [5, 4, 3, 2],
    )
    await turn()
    assert.deepEqual(
      begun.slice(4).map((socket) => sockets.indexOf(socket)),
      [1, 0],
    )
  })

  it('begins nothing with those who have gone meanwhile', async () => {
    const [gone, there] = add(2)
    gone?.destroy()

    await turn()

    assert.deepEqual(begun, [there])
  })

  it('begins nothing with those who have waited so long that they must have gone', async () => {
    const clock = new ManualClock()
    const held = new HandshakeQueue((socket) => begun.push(socket), { isHeld: true, clock })
    const [gone, there] = [new Socket(), new Socket()]
    held.add(gone, undefined)
    clock.advance(1)
    held.add(there, undefined)
    clock.advance(29_999)
    held.admit()

    await turn()
    await turn()
    held.close()

    assert.deepEqual(begun, [there])
    assert.ok(gone.destroyed)
  })

  it('begins nothing while it is held, and then the newest first', async () => {
    const held = new HandshakeQueue((socket) => begun.push(socket), { isHeld: true })
    const [first, second] = [new Socket(), new Socket()]
    held.add(first, undefined)
    held.add(second, undefined)

    await turn()
    await turn()
    assert.equal(begun.length, 0)
    held.admit()
    await turn()
    held.close()

    assert.deepEqual(begun, [second, first])
  })

  it('has no more than 128 under way: the next begins when one has ended', async () => {
    add(134)
    for (let turns = 0; turns < 40; turns++) await turn()
    assert.equal(begun.length, 128)

    const [first] = begun
    assert.ok(first !== undefined)
    queue.ended(first)
    queue.ended(first) // the second time says nothing
    for (let turns = 0; turns < 3; turns++) await turn()

    assert.equal(begun.length, 129)
  })

  it('has no more than 24 of one network under way, which delay nobody else', async () => {
    const office = Array.from({ length: 30 }, () => new Socket())
    const other = new Socket()
    for (const socket of office) queue.add(socket, '192.0.2.0/24')
    queue.add(other, '198.51.100.0/24')
    for (let turns = 0; turns < 20; turns++) await turn()

    assert.equal(begun.length, 25)
    assert.equal(begun[1], other)
    const [first] = begun
    assert.ok(first !== undefined)
    queue.ended(first)
    for (let turns = 0; turns < 3; turns++) await turn()
    assert.equal(begun.length, 26)
  })

  describe('with 128 under way that do not end', () => {
    /** How long the next one waits, in ms. */
    async function waitOf(sockets: readonly Socket[]): Promise<number> {
      const begunAt = performance.now()
      await new Promise<void>((resolve) => {
        const late = new HandshakeQueue((socket) => {
          if (socket === sockets[0]) resolve()
        })
        for (const socket of sockets) late.add(socket, undefined)
      })
      return performance.now() - begunAt
    }

    it('does not wait long for those who say nothing', async () => {
      const silent = Array.from({ length: 129 }, () => new Socket())

      assert.ok((await waitOf(silent)) < 900)
    })

    it('waits a second for those who have spoken', async () => {
      const spoken = Array.from({ length: 129 }, () =>
        Object.defineProperty(new Socket(), 'bytesRead', { value: 517 }),
      )

      assert.ok((await waitOf(spoken)) >= 900)
    })
  })

  it('closes who has waited longest where more than 8,192 wait', () => {
    const sockets = add(8_194)

    assert.deepEqual(sockets.map(({ destroyed }) => destroyed).lastIndexOf(true), 1)
  })

  it('lets nobody in any more once it is closed', async () => {
    const sockets = add(5)
    queue.close()

    await turn()

    assert.equal(begun.length, 0)
    assert.ok(sockets.every(({ destroyed }) => destroyed))
  })
})
