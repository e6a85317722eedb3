import assert from 'node:assert/strict'
import { messageArrives, type Person, seesOnline, type Server } from '../support/household.ts'
import { DIRECT, Playground } from './support.ts'

describe('a daemon that is killed', () => {
  let playground: Playground
  let server: Server
  let alice: Person
  let bob: Person

  before(async () => {
    playground = await Playground.create()
    server = await playground.startServer()
    ;[alice, bob] = await playground.friends(server)
    await alice.pathOfKind('bob', DIRECT)
  })

  after(async () => {
    await playground.close()
  })

  it('gets what was sent meanwhile when it is back, exactly once', async () => {
    await bob.stopDaemon('SIGKILL')
    const sent = await alice.json<{ id: string; state: string }>([
      'send',
      'bob',
      'while you were out',
    ])

    await bob.startDaemon()
    await messageArrives(bob, 'while you were out')
    await delivered(alice, sent.id)

    assert.notEqual(sent.state, 'delivered')
    assert.equal(countOf(bob, 'while you were out'), 1)
  })

  it('sends after its return what it had taken before, exactly once', async () => {
    await bob.stopDaemon('SIGKILL')
    const { id } = await alice.json<{ id: string }>(['send', 'bob', 'from my disk'])
    await alice.stopDaemon('SIGKILL')

    await Promise.all([alice.startDaemon(), bob.startDaemon()])
    await messageArrives(bob, 'from my disk')
    await delivered(alice, id)

    assert.equal(countOf(bob, 'from my disk'), 1)
  })

  it('is logged in again, and the path is direct again', async () => {
    await Promise.all([seesOnline(alice, bob), seesOnline(bob, alice)])

    await Promise.all([alice.pathOfKind('bob', DIRECT), bob.pathOfKind('alice', DIRECT)])
  })

  it('keeps what is sent while the server is down too, and delivers it afterwards', async () => {
    const listen = /holler:\/\/([^?]+)/.exec(server.link)?.[1]
    await server.program.stop('SIGKILL')
    await bob.stopDaemon('SIGKILL')
    const { id } = await alice.json<{ id: string }>(['send', 'bob', 'nobody is there'])

    await Promise.all([playground.startServer(listen), bob.startDaemon()])
    await messageArrives(bob, 'nobody is there', 60_000)
    await delivered(alice, id, 60_000)

    assert.equal(countOf(bob, 'nobody is there'), 1)
  })

  it('ends within ten seconds and with 0 when it is asked to', async () => {
    const exit = await alice.daemon.stop('SIGTERM')

    assert.deepEqual(exit, { code: 0, signal: null })
  })
})

async function delivered(person: Person, id: string, withinMs = 30_000): Promise<void> {
  await person.event(
    `delivery of ${id}`,
    ({ type, data }) =>
      type === 'message.state' && data['id'] === id && data['state'] === 'delivered',
    withinMs,
  )
}

function countOf(person: Person, text: string): number {
  return person.events.filter(
    ({ type, data }) => type === 'message.received' && data['text'] === text,
  ).length
}
