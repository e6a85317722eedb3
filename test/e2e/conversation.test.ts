import assert from 'node:assert/strict'
import type { MessageView, PathView } from '../../src/protocol/control/schema.ts'
import { messageArrives, type Person, seesOnline } from '../support/household.ts'
import { Program } from '../support/programs.ts'
import { DIRECT, Playground } from './support.ts'

describe('two people on one machine', () => {
  let playground: Playground
  let alice: Person
  let bob: Person

  before(async () => {
    playground = await Playground.create()
    ;[alice, bob] = await playground.friends(await playground.startServer())
  })

  after(async () => {
    await playground.close()
  })

  async function talkBothWays(how: string): Promise<void> {
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const text = `${from.name}, ${how}`
      const args = ['send', to.name, text, '--wait', 'delivered']
      const sent = await from.json<{ id: string; state: string }>(args)
      const { data } = await messageArrives(to, text)

      assert.equal(sent.state, 'delivered')
      assert.deepEqual((data['from'] as { handle: string }).handle, from.name)
      assert.equal(data['id'], sent.id)
    }
  }

  it('talk directly, with receipts', async () => {
    await Promise.all([alice.pathOfKind('bob', DIRECT), bob.pathOfKind('alice', DIRECT)])

    await talkBothWays('directly')
  })

  it('talk through the relay where the direct path is forbidden, and directly again', async () => {
    await alice.json(['buddy', 'policy', 'bob', '--path', 'relay'])
    await Promise.all([alice.pathOfKind('bob', ['relay']), bob.pathOfKind('alice', ['relay'])])
    await talkBothWays('through the relay')
    const path = await alice.json<PathView>(['net', 'path', 'bob'])

    await alice.json(['buddy', 'policy', 'bob', '--path', 'auto'])
    await Promise.all([alice.pathOfKind('bob', DIRECT), bob.pathOfKind('alice', DIRECT)])
    await talkBothWays('directly again')

    assert.equal(path.relay, 'udp')
    assert.notEqual(path.reason, '')
  })

  it('verify each other by a number that is the same at both', async () => {
    interface Peer {
      readonly identity: string
      readonly safetyNumber: string
      readonly verifiedAt: string | null
    }
    const [ofBob, ofAlice] = await Promise.all([
      alice.json<Peer>(['identity', 'show', 'bob']),
      bob.json<Peer>(['identity', 'show', 'alice']),
    ])
    const own = await bob.json<{ identity: string }>(['identity', 'show'])
    const [first = '', ...rest] = ofAlice.safetyNumber.split(' ')
    const wrong = String((Number(first) + 1) % 100_000).padStart(5, '0')

    const refused = await alice.holler(['identity', 'verify', 'bob', wrong, ...rest])
    const before = await alice.json<Peer>(['identity', 'show', 'bob'])
    await alice.json(['identity', 'verify', 'bob', first, ...rest])
    const after = await alice.json<Peer>(['identity', 'show', 'bob'])

    assert.equal(ofBob.safetyNumber, ofAlice.safetyNumber)
    assert.equal(ofBob.identity, own.identity)
    assert.deepEqual([refused.code, before.verifiedAt], [11, null])
    assert.ok(after.verifiedAt !== null)
  })

  it('ping each other', async () => {
    const args = ['net', 'ping', 'bob', '--until-direct']
    const { rttMs, path } = await alice.json<{ rttMs: number; path: PathView }>(args)

    assert.ok(rttMs > 0 && rttMs < 1000, `${rttMs} ms`)
    assert.ok(DIRECT.includes(path.kind), path.kind)
  })

  it('see in holler events --follow what happens, as it happens', async () => {
    const follower = new Program({
      name: 'holler events',
      main: 'cli',
      args: ['events', '--follow', '--name', 'e2e', '--types', 'message.received'],
      env: { HOLLER_SOCKET: bob.socket },
    })
    await alice.holler(['send', 'bob', 'for the follower'])
    const line = await follower.line(/for the follower/)
    const exit = await follower.stop('SIGINT')

    const { type, data } = JSON.parse(line) as { type: string; data: Record<string, unknown> }
    assert.equal(type, 'message.received')
    assert.deepEqual(data['from'], {
      number: (await alice.request('status.get', {})).account?.number,
      handle: 'alice',
    })
    assert.deepEqual(exit, { code: null, signal: 'SIGINT' })
  })

  it('go on in the events where a named reader stopped', async () => {
    const before = await bob.holler(['events', '--name', 'script'])
    await alice.json(['send', 'bob', 'after the first reading', '--wait', 'delivered'])
    const then = await bob.holler(['events', '--name', 'script', '--types', 'message.received'])

    assert.match(before.stdout, /"type":"buddy\.request"|"type":"buddy\.changed"/)
    assert.equal(then.stdout.trimEnd().split('\n').length, 1)
    assert.match(then.stdout, /after the first reading/)
  })

  it('find it all in the history', async () => {
    const messages = await bob.json<MessageView[]>(['history', 'alice', '-n', '3'])
    const text = await bob.holler(['history', 'alice', '-n', '1'])

    assert.equal(messages.length, 3)
    assert.match(text.stdout, /alice: after the first reading$/m)
  })

  it('see each other’s presence', async () => {
    await alice.json(['presence', 'busy', 'in a meeting'])
    const buddy = await bob.eventually('alice busy', async () => {
      const found = await bob.buddy('alice')
      return found?.presence === 'busy' ? found : undefined
    })
    await alice.json(['presence', 'online'])
    await seesOnline(bob, alice)

    assert.equal(buddy.presenceText, 'in a meeting')
  })

  it('send a text of every script, of many lines, from standard input', async () => {
    const text = 'Grüße\n小明\t👩‍👩‍👧\u001b[31m'
    await alice.json(['send', 'bob', '-', '--wait', 'delivered'], `${text}\n`)
    await messageArrives(bob, text)
    const shown = await bob.holler(['history', 'alice', '-n', '1'])

    assert.equal(shown.stdout.includes('\u001b'), false)
  })
})
