import assert from 'node:assert/strict'
import fc from 'fast-check'
import { EventQueue } from './event-queue.ts'

describe('EventQueue', () => {
  it('gives what was planned by time, then by order of planning', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
        const queue = new EventQueue()
        const happened: [number, number][] = []
        times.forEach((at, order) => queue.plan(at, () => happened.push([at, order])))

        for (let next = queue.take(); next !== undefined; next = queue.take()) next()

        const planned = times.map((at, order): [number, number] => [at, order])
        assert.deepEqual(
          happened,
          planned.sort((a, b) => a[0] - b[0] || a[1] - b[1]),
        )
      }),
    )
  })
})
