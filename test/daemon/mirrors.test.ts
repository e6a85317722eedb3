import assert from 'node:assert/strict'
import { PresenceMirror } from '../../src/daemon/presence-mirror.ts'
import { RosterPages } from '../../src/daemon/roster-pages.ts'
import type {
  PresenceEntry,
  PresenceState,
  RosterEntry,
} from '../../src/protocol/server/messages.ts'

function entry(number: number, state: PresenceState, text = ''): PresenceEntry {
  return { number, state, text }
}

describe('PresenceMirror', () => {
  it('takes a snapshot as all who are online', () => {
    const mirror = new PresenceMirror()
    mirror.apply({
      kind: 'presence',
      isSnapshot: true,
      entries: [entry(1, 'online'), entry(2, 'busy')],
    })

    const changes = mirror.apply({
      kind: 'presence',
      isSnapshot: true,
      entries: [entry(2, 'busy'), entry(3, 'away')],
    })

    assert.deepEqual(
      changes.map((change) => [change.entry.number, change.entry.state, change.cameOnline]),
      [
        [3, 'away', true],
        [1, 'offline', false],
      ],
    )
    assert.deepEqual(
      [mirror.isOnline(1), mirror.isOnline(2), mirror.isOnline(3)],
      [false, true, true],
    )
  })

  it('tells that somebody came online, once', () => {
    const mirror = new PresenceMirror()
    const apply = (state: PresenceState): boolean[] =>
      mirror
        .apply({ kind: 'presence', isSnapshot: false, entries: [entry(1, state)] })
        .map(({ cameOnline }) => cameOnline)

    assert.deepEqual(apply('online'), [true])
    assert.deepEqual(apply('online'), [])
    assert.deepEqual(apply('away'), [false])
    assert.deepEqual(apply('offline'), [false])
    assert.deepEqual(apply('busy'), [true])
  })
})

describe('RosterPages', () => {
  const buddy = (number: number): RosterEntry => ({
    number,
    handle: `h${number}`,
    state: 'accepted',
  })
  const page = (
    number: number,
    isLast: boolean,
    ...buddies: number[]
  ): Parameters<RosterPages['add']>[0] => ({
    kind: 'roster',
    page: number,
    isLast,
    buddies: buddies.map(buddy),
  })

  it('puts pages together', () => {
    const pages = new RosterPages()

    assert.equal(pages.add(page(0, false, 1, 2)), undefined)
    assert.deepEqual(
      pages.add(page(1, true, 3))?.map(({ number }) => number),
      [1, 2, 3],
    )
    assert.deepEqual(pages.add(page(0, true)), [])
  })

  it('makes no list of pages out of turn: who was on the missing one would seem removed', () => {
    const pages = new RosterPages()

    assert.equal(pages.add(page(1, true, 2)), undefined)
    pages.add(page(0, false, 1))
    assert.equal(pages.add(page(2, true, 3)), undefined)
  })

  it('begins anew with page 0', () => {
    const pages = new RosterPages()
    pages.add(page(0, false, 1))

    assert.deepEqual(
      pages.add(page(0, true, 2))?.map(({ number }) => number),
      [2],
    )
  })
})
