import assert from 'node:assert/strict'
import type { EphemeralEvent } from '../../src/daemon/events.ts'
import { Journal } from '../../src/daemon/journal.ts'
import { systemClock } from '../../src/io/system-clock.ts'
import type { Result } from '../../src/protocol/control/schema.ts'
import { memoryStore } from '../support/memory-store.ts'
import type { RawClient } from './support/raw-client.ts'
import { RunningDaemon } from './support/running-daemon.ts'

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `event ${from + index}`)
}

function presence(number: number, state: 'online' | 'away'): EphemeralEvent {
  const data = { buddy: { number, handle: `h${number}` }, presence: state, presenceText: '' }
  return { type: 'presence.changed', key: String(number), data }
}

describe('events on the control socket', () => {
  let running: RunningDaemon
  let client: RawClient

  async function begin(...options: Parameters<typeof RunningDaemon.start>): Promise<void> {
    running = await RunningDaemon.start(...options)
    client = await running.client()
  }

  afterEach(async () => {
    await running.stop()
  })

  it('come after the answer, in order, without a gap', async () => {
    await begin()
    await running.notice(...numbered(1, 3))

    const { seq } = await client.result<{ seq: number }>('events.subscribe', { since: 1 })
    await running.notice(...numbered(4, 5))

    assert.equal(seq, 1)
    assert.deepEqual(
      (await client.take(4)).map(({ method, params }) => [method, params?.seq]),
      [
        ['event', 2],
        ['event', 3],
        ['event', 4],
        ['event', 5],
      ],
    )
  })

  it('begin with the next one where nothing else is asked', async () => {
    await begin()
    await running.notice('before')

    await client.result('events.subscribe')
    await running.notice('after')

    assert.deepEqual(await client.texts(1), ['after'])
  })

  it('come to each of two subscribers', async () => {
    await begin()
    const other = await running.client()
    await client.result('events.subscribe')
    await other.result('events.subscribe', { since: 0 })

    await Promise.all(numbered(1, 500).map((text) => running.notice(text)))

    assert.deepEqual(await client.texts(500), numbered(1, 500))
    assert.deepEqual(await other.texts(500), numbered(1, 500))
  })

  it('can be chosen by type, and stopped', async () => {
    await begin()
    await client.result('events.subscribe', { types: ['session.state'] })
    await running.notice('not this one')
    await running.daemon.journal.commit(
      [],
      [{ type: 'session.state', data: { state: 'online', reason: '' } }],
    )
    const { params } = await client.next()
    await client.result('events.unsubscribe')
    await running.notice('nor this one')
    await client.result('status.get')

    assert.equal(params?.type, 'session.state')
    assert.deepEqual(client.untaken, [])
  })

  it('go on from the acknowledgement, across connections and restarts', async () => {
    const store = memoryStore()
    await begin({ store })
    await running.notice(...numbered(1, 5))
    await client.result('events.subscribe', { name: 'bot' })
    const first = await client.texts(5)
    await client.result('events.ack', { name: 'bot', seq: 3 })
    client.destroy()
    await running.notice('event 6')
    await running.stop()

    await begin({ store })
    const { seq } = await client.result<{ seq: number }>('events.subscribe', { name: 'bot' })

    assert.deepEqual(first, numbered(1, 5))
    assert.equal(seq, 3)
    assert.deepEqual(await client.texts(3), numbered(4, 6))
  })

  it('are fetched in pages', async () => {
    await begin()
    await running.notice(...numbered(1, 10))

    const fetched = await client.result<Result<'events.fetch'>>('events.fetch', {
      after: 4,
      limit: 3,
    })
    const rest = await client.result<Result<'events.fetch'>>('events.fetch', { after: 10 })

    assert.deepEqual(
      fetched.map(({ seq }) => seq),
      [5, 6, 7],
    )
    assert.deepEqual(rest, [])
  })

  it('cannot be acknowledged or awaited before they are there', async () => {
    await begin()

    for (const [method, params] of [
      ['events.ack', { name: 'bot', seq: 5 }],
      ['events.subscribe', { since: 5 }],
      ['events.subscribe', { since: 'ack' }],
    ] as const) {
      const { error } = await client.ask(method, params)
      assert.equal(error?.data.kind, 'invalid_params')
    }
  })

  it('that the journal has forgotten are told as a gap', async () => {
    const store = memoryStore()
    const journal = await Journal.open({ store, clock: systemClock, maxEvents: 5 })
    for (const text of numbered(1, 12)) {
      await journal.commit([], [{ type: 'server.notice', data: { text } }])
    }
    await begin({ store })

    await client.result('events.subscribe', { since: 0 })
    const gap = await client.next()
    const { firstSeq } = running.daemon.journal

    assert.equal(gap.params?.type, 'events.gap')
    assert.deepEqual(gap.params.data, { from: 1, to: firstSeq - 1 })
    assert.deepEqual((await client.next()).params?.seq, firstSeq)
  })

  it('of which only the latest counts come with the number of the last durable one', async () => {
    await begin()
    await running.notice('one')
    await client.result('events.subscribe', { since: 0 })
    await client.texts(1)

    running.daemon.ephemeral.tell(presence(7, 'online'))
    const { params } = await client.next()

    assert.deepEqual([params?.seq, params?.type], [1, 'presence.changed'])
    assert.equal(params?.data['presence'], 'online')
  })

  it('go on to a subscriber that has finished writing', async () => {
    await begin()
    await client.result('events.subscribe')
    client.endWriting()

    await running.notice('still here')

    assert.deepEqual(await client.texts(1), ['still here'])
  })

  describe('for a reader that does not read', () => {
    const long = 'x'.repeat(4_000)
    const count = 2_000

    async function flood(): Promise<void> {
      for (let n = 0; n < count; n += 100) {
        await running.notice(...Array.from({ length: 100 }, (_, index) => `${n + index} ${long}`))
      }
    }

    it('wait in the journal, and come without a gap when it reads again', async () => {
      await begin()
      await client.result('events.subscribe')
      const other = await running.client()
      await other.result('events.subscribe')
      client.stopReading()

      await flood()
      const there = await other.take(count)
      client.readAgain()
      const late = await client.take(count)

      assert.deepEqual(
        late.map(({ params }) => params?.seq),
        there.map(({ params }) => params?.seq),
      )
      assert.equal(late.length, count)
    })

    it('are coalesced where only the latest counts, and a resync is told beyond that', async () => {
      await begin()
      await client.result('events.subscribe')
      client.stopReading()
      await flood()
      for (const state of ['away', 'online'] as const) {
        for (let number = 1; number <= 3; number++) {
          running.daemon.ephemeral.tell(presence(number, state))
        }
      }
      client.readAgain()
      await client.take(count)
      const latest = await client.take(3)

      client.stopReading()
      await flood()
      for (let number = 1; number <= 5_000; number++) {
        running.daemon.ephemeral.tell(presence(number, 'away'))
      }
      client.readAgain()
      await client.take(count)
      const afterwards = await client.next()

      assert.deepEqual(
        latest.map(({ params }) => params?.data['presence']),
        ['online', 'online', 'online'],
      )
      assert.equal(afterwards.params?.type, 'resync')
    })

    it('end it after a while, and it goes on from its acknowledgement', async () => {
      await begin({ slowConsumerMs: 50 })
      await client.result('events.subscribe', { name: 'slow' })
      await client.result('events.ack', { name: 'slow', seq: 0 })
      client.stopReading()
      await flood()
      await gone(() => running.control.clients === 0)

      const again = await running.client()
      await again.result('events.subscribe', { name: 'slow' })
      const events = await again.take(count)

      assert.deepEqual(
        events.map(({ params }) => params?.seq),
        Array.from({ length: count }, (_, index) => index + 1),
      )
    })
  })
})

async function gone(isGone: () => boolean): Promise<void> {
  while (!isGone()) await new Promise((resolve) => setImmediate(resolve))
}
