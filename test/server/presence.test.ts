import assert from 'node:assert/strict'
import fc from 'fast-check'
import { after, instant } from '../../src/core/instant.ts'
import { type ChosenPresence, Presence } from '../../src/server/presence.ts'

const online: ChosenPresence = { state: 'online', text: '' }
const away: ChosenPresence = { state: 'away', text: 'at lunch' }
const invisible: ChosenPresence = { state: 'invisible', text: 'hidden' }
const start = instant(1_000)

function told(presence: Presence): string[] {
  const lines: string[] = []
  for (let entry = presence.pollEvent(); entry !== undefined; entry = presence.pollEvent()) {
    lines.push(`${entry.number} ${entry.state} ${entry.text}`.trim())
  }
  return lines
}

describe('Presence', () => {
  it('tells an arrival at once and a broken connection after 10 s', () => {
    const presence = new Presence()

    presence.connect(start, 7, online)
    assert.deepEqual(told(presence), ['7 online'])
    presence.disconnect(after(start, 5_000), 7)
    assert.equal(presence.pollTimeout(), after(start, 15_000))
    presence.handleTimeout(after(start, 14_999))
    assert.deepEqual(told(presence), [])
    presence.handleTimeout(after(start, 15_000))

    assert.deepEqual(told(presence), ['7 offline'])
    assert.equal(presence.told(7), undefined)
  })

  it('tells nothing of a session that is back within the grace, and keeps what was chosen', () => {
    const presence = new Presence()
    presence.connect(start, 7, online)
    presence.choose(after(start, 2_000), 7, away)
    told(presence)

    presence.disconnect(after(start, 5_000), 7)
    presence.connect(after(start, 14_000), 7, online)
    presence.handleTimeout(after(start, 60_000))

    assert.deepEqual(told(presence), [])
    assert.deepEqual(presence.told(7), { number: 7, ...away })
  })

  it('tells at most one change a second, and the latest', () => {
    const presence = new Presence()
    presence.connect(start, 7, online)

    for (let ms = 100; ms <= 900; ms += 100) {
      presence.choose(after(start, ms), 7, { state: 'busy', text: `${ms}` })
    }
    assert.deepEqual(told(presence), ['7 online'])
    assert.equal(presence.pollTimeout(), after(start, 1_000))
    presence.handleTimeout(after(start, 1_000))

    assert.deepEqual(told(presence), ['7 busy 900'])
  })

  it('tells nothing when a state is chosen and taken back within the second', () => {
    const presence = new Presence()
    presence.connect(start, 7, online)
    told(presence)

    presence.choose(after(start, 100), 7, away)
    presence.choose(after(start, 200), 7, online)
    presence.handleTimeout(after(start, 1_000))

    assert.deepEqual(told(presence), [])
  })

  it('shows invisible as offline, without its text, from the first moment on', () => {
    const presence = new Presence()

    presence.connect(start, 7, invisible)
    assert.deepEqual(told(presence), [])
    assert.equal(presence.told(7), undefined)
    presence.choose(after(start, 2_000), 7, online)
    assert.deepEqual(told(presence), ['7 online'])
    presence.choose(after(start, 4_000), 7, invisible)

    assert.deepEqual(told(presence), ['7 offline'])
  })

  it('tells a logout at once', () => {
    const presence = new Presence()
    presence.connect(start, 7, away)
    told(presence)

    presence.leave(after(start, 5_000), 7)

    assert.deepEqual(told(presence), ['7 offline'])
  })

  it('keeps the interval over logouts and logins', () => {
    const presence = new Presence()
    presence.connect(start, 7, online)
    presence.leave(after(start, 10), 7)
    presence.connect(after(start, 20), 7, away)
    presence.leave(after(start, 30), 7)

    assert.deepEqual(told(presence), ['7 online'])
    presence.handleTimeout(after(start, 1_000))
    assert.deepEqual(told(presence), ['7 offline'])
  })

  it('in the end has told the present state, never twice in a second, and forgets who left', () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 4_000 }),
      what: fc.constantFrom('connect', 'choose', 'disconnect', 'leave'),
      chosen: fc.constantFrom(online, away, invisible),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const presence = new Presence()
        let now = start
        let last: { state: string; at: number } = { state: 'offline', at: -Infinity }
        const drain = (): void => {
          for (let entry = presence.pollEvent(); entry; entry = presence.pollEvent()) {
            assert.ok(now - last.at >= 1_000)
            last = { state: entry.state, at: now }
          }
        }
        const passUntil = (end: number): void => {
          for (let due = presence.pollTimeout(); due !== undefined && due <= end;) {
            now = instant(Math.max(now, due))
            presence.handleTimeout(now)
            drain()
            due = presence.pollTimeout()
          }
          now = instant(end)
        }
        for (const { waitMs, what, chosen } of steps) {
          passUntil(now + waitMs)
          if (what === 'connect' || what === 'choose') presence[what](now, 7, chosen)
          else presence[what](now, 7)
          drain()
        }
        presence.disconnect(now, 7)
        passUntil(now + 30_000)

        assert.equal(last.state, 'offline')
        assert.equal(presence.pollTimeout(), undefined)
        assert.equal(presence.isInvisible(7), false)
      }),
    )
  })
})
