import assert from 'node:assert/strict'
import type { ControlEvent } from '../../src/protocol/control/schema.ts'
import { type FakeDaemon, type Handlers, startFakeDaemon } from './support/fake-daemon.ts'
import { run } from './support/run.ts'

function event(seq: number, type = 'message.received'): ControlEvent {
  return { seq, type, at: '2026-11-22T06:17:38Z', data: { text: `\u009b${seq}` } }
}

const journal = [event(1), event(2, 'buddy.request'), event(3)]

const journalHandlers: Handlers = {
  'events.fetch': ({ after }) => journal.filter(({ seq }) => seq > after),
  'events.ack': () => ({}),
  'events.unsubscribe': () => ({}),
}

describe('holler events', () => {
  let daemon: FakeDaemon

  afterEach(async () => {
    await daemon.close()
  })

  it('prints the journal, one JSON object a line', async () => {
    daemon = await startFakeDaemon(journalHandlers)

    const { exit, stdout } = await run(['events'], { socket: daemon.path })

    assert.equal(exit, 0)
    assert.deepEqual(lines(stdout), journal)
    assert.equal(stdout.includes('\u009b'), false)
  })

  it('prints only the wanted types, after a sequence number', async () => {
    daemon = await startFakeDaemon(journalHandlers)

    const args = ['events', '--since', '1', '--types', 'message.received,buddy.changed']
    const { stdout } = await run(args, { socket: daemon.path })

    assert.deepEqual(lines(stdout), [event(3)])
  })

  it('goes on where a named consumer stopped, and acknowledges what it has written', async () => {
    daemon = await startFakeDaemon({
      ...journalHandlers,
      'events.subscribe': () => ({ seq: 1 }),
    })

    const { stdout } = await run(['events', '--name', 'bot'], { socket: daemon.path })

    assert.deepEqual(lines(stdout), [event(2, 'buddy.request'), event(3)])
    const acknowledged = daemon.requests.filter(({ method }) => method === 'events.ack')
    assert.deepEqual(acknowledged.at(-1)?.params, { name: 'bot', seq: 3 })
  })

  it('follows until the daemon goes away, which is exit status 3', async () => {
    daemon = await startFakeDaemon({
      'events.subscribe': (_params, connection) => {
        for (const one of journal) connection.announce(one)
        return { seq: 0 }
      },
    })

    const { exit, stdout, stderr } = await run(['events', '--follow', '--types', 'x'], {
      socket: daemon.path,
      onOutput: (text) => {
        if (lines(text).length === journal.length) void daemon.close()
      },
    })

    assert.equal(exit, 3)
    assert.match(stderr, /The daemon is gone/)
    assert.deepEqual(lines(stdout), journal)
    assert.deepEqual(daemon.requests[0]?.params, { since: 'now', types: ['x'] })
    daemon = await startFakeDaemon({})
  })

  it('acknowledges while it follows, but not passing events', async () => {
    daemon = await startFakeDaemon({
      ...journalHandlers,
      'events.ack': (_params, connection) => {
        connection.hangUp()
        return {}
      },
      'events.subscribe': (_params, connection) => {
        connection.announce(event(0, 'presence.changed'))
        connection.announce(event(7))
        return { seq: 6 }
      },
    })

    await run(['events', '--follow', '--name', 'bot'], { socket: daemon.path })

    assert.deepEqual(
      daemon.requests.map(({ method, params }) => [method, params]),
      [
        ['events.subscribe', { since: 'ack', name: 'bot' }],
        ['events.ack', { name: 'bot', seq: 7 }],
      ],
    )
  })
})

function lines(text: string): ControlEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ControlEvent)
}
