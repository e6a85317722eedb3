import { strict as assert } from 'node:assert'
import { toHex } from '../../src/core/bytes.ts'
import {
  type ConnectionIdEvent,
  LocalIds,
  RemoteIds,
} from '../../src/reliable-udp/connection-ids.ts'
import { FrameWriter } from '../../src/reliable-udp/frame-writer.ts'
import { SentPackets } from '../../src/reliable-udp/sent-packets.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { collectFrames } from './frame-collector.ts'

const initial = new Uint8Array(8).fill(7)

function localIds(first?: Uint8Array): {
  readonly ids: LocalIds
  readonly events: ConnectionIdEvent[]
} {
  const events: ConnectionIdEvent[] = []
  const ids = new LocalIds(new SeededRandom(1), first, { push: (event) => void events.push(event) })
  return { ids, events }
}

function frames(ids: LocalIds): (readonly unknown[])[] {
  const writer = new FrameWriter(new Uint8Array(1000))
  ids.writeFrames(writer, new SentPackets())
  return writer.at === 0 ? [] : [...collectFrames(writer.bytes.subarray(0, writer.at)).frames]
}

function use(ids: LocalIds, name: string | undefined): void {
  ids.handleUsed(Buffer.from(name ?? '', 'hex'), 0)
}

describe('LocalIds', () => {
  it('begins with the responder’s initial id and one of its own', () => {
    const { ids } = localIds(initial)

    assert.equal(ids.names.length, 2)
    assert.equal(ids.names[0], '0707070707070707')
    assert.equal(ids.names[1], toHex(ids.first))
    assert.equal(localIds().ids.names.length, 1)
  })

  it('gives the peer two in stock', () => {
    const { ids, events } = localIds(initial)
    ids.issueStock()

    assert.deepEqual(
      frames(ids).map(([, sequence, retirePriorTo]) => [sequence, retirePriorTo]),
      [
        [1, 0],
        [2, 0],
      ],
    )
    assert.deepEqual(
      events.map((event) => event.kind),
      ['local-id', 'local-id'],
    )
    assert.equal(ids.names.length, 4)
  })

  it('replaces what is used, and retires what is behind the last one', () => {
    const { ids, events } = localIds(initial)
    ids.issueStock()
    frames(ids)
    const [, zero, one, two] = ids.names
    use(ids, zero)
    events.length = 0

    use(ids, one)
    assert.deepEqual(
      events.map(({ kind, id }) => [kind, id]),
      [
        ['local-id-retired', '0707070707070707'],
        ['local-id', ids.names.at(-1)],
      ],
    )
    use(ids, two)
    assert.deepEqual(
      ids.names.slice(0, 2),
      [one, two],
      'late packets may still name the one before',
    )
    assert.equal(ids.names.length, 4)
  })

  it('does not go back for a late packet', () => {
    const { ids, events } = localIds()
    ids.issueStock()
    const [zero, one] = ids.names
    use(ids, one)
    events.length = 0

    use(ids, zero)
    use(ids, one)

    assert.deepEqual(events, [])
  })

  it('says a lost id again, unless it is retired by then', () => {
    const { ids } = localIds()
    ids.issueStock()
    frames(ids)
    ids.handleFrameLost(2)
    ids.handleFrameLost(99)

    assert.deepEqual(
      frames(ids).map(([, sequence]) => sequence),
      [2],
    )
  })
})

describe('RemoteIds', () => {
  const id = (value: number): Uint8Array => new Uint8Array(8).fill(value)
  const token = new Uint8Array(16)

  it('moves on to ids in their order, and stays where there are none', () => {
    const ids = new RemoteIds(id(0), undefined)
    ids.handleNew(2, 0, id(2), token)
    ids.handleNew(1, 0, id(1), token)
    ids.moveOn()
    assert.deepEqual(ids.current, id(1))
    ids.moveOn()
    ids.moveOn()
    assert.deepEqual(ids.current, id(2))
  })

  it('does not take a used one again', () => {
    const ids = new RemoteIds(id(0), undefined)
    ids.handleNew(1, 0, id(1), token)
    ids.moveOn()
    ids.handleNew(1, 0, id(1), token)
    ids.moveOn()

    assert.deepEqual(ids.current, id(1))
  })

  it('leaves ids that the peer retires', () => {
    const ids = new RemoteIds(id(0), undefined)
    ids.handleNew(1, 0, id(1), token)
    ids.handleNew(2, 2, id(2), token)

    assert.deepEqual(ids.current, id(2))
  })

  it('refuses two ids of one sequence, and more than eight', () => {
    const ids = new RemoteIds(id(0), undefined)
    assert.equal(ids.handleNew(1, 0, id(1), token), undefined)
    assert.equal(ids.handleNew(1, 0, id(1), token), undefined)
    assert.equal(ids.handleNew(1, 0, id(9), token)?.text, 'two connection ids of one sequence')
    for (let sequence = 2; sequence <= 8; sequence++) {
      assert.equal(ids.handleNew(sequence, 0, id(sequence), token), undefined)
    }
    assert.equal(ids.handleNew(9, 0, id(9), token)?.text, 'more connection ids than anybody needs')
  })

  it('keeps with each id the token of its reset', () => {
    const ids = new RemoteIds(id(0), new Uint8Array(16).fill(1))
    ids.handleNew(1, 0, id(1), new Uint8Array(16).fill(2))

    assert.deepEqual(ids.resetToken, new Uint8Array(16).fill(1))
    ids.moveOn()
    assert.deepEqual(ids.resetToken, new Uint8Array(16).fill(2))
  })
})
