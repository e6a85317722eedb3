import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { after } from '../../src/core/instant.ts'
import { Alarm } from '../../src/io/alarm.ts'
import { systemClock } from '../../src/io/system-clock.ts'

describe('Alarm', () => {
  it('meets a deadline that has come at the end of the turn, once', async () => {
    const dueAt: number[] = []
    const alarm = new Alarm(systemClock, (now) => dueAt.push(now))
    const now = systemClock.now()
    alarm.set(now)
    alarm.set(now)
    assert.deepEqual(dueAt, [], 'what else arrives in this turn comes first')

    await turn()
    assert.equal(dueAt.length, 1)
    await turn()
    assert.equal(dueAt.length, 1)
  })

  it('does not meet one that went away before the turn ended', async () => {
    const dueAt: number[] = []
    const alarm = new Alarm(systemClock, (now) => dueAt.push(now))
    const now = systemClock.now()
    alarm.set(now)
    alarm.set(after(now, 60_000))

    await turn()
    assert.deepEqual(dueAt, [])
    alarm.clear()
  })

  it('waits for one that is to come, and never calls before it', async () => {
    const deadline = after(systemClock.now(), 20)
    const at = await new Promise<number>((resolve) => {
      new Alarm(systemClock, resolve).set(deadline)
    })

    assert.ok(at >= deadline)
  })

  it('is silent once it was cleared', async () => {
    const dueAt: number[] = []
    const alarm = new Alarm(systemClock, (now) => dueAt.push(now))
    alarm.set(systemClock.now())
    alarm.clear()

    await turn()
    assert.deepEqual(dueAt, [])
  })
})
