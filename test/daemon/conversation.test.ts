import assert from 'node:assert/strict'
import fc from 'fast-check'
import { EXPIRY_MS } from '../../src/daemon/outgoing.ts'
import { encodePeerMessage } from '../../src/protocol/peer/codec.ts'
import { MAX_TEXT_BYTES, type MessageId } from '../../src/protocol/peer/peer-message.ts'
import { memoryStore } from '../support/memory-store.ts'
import { Line, Person } from './support/people.ts'
import { FaultyStore, onEveryStore } from './support/stores.ts'

const ALICE = { number: 10001, handle: 'alice' }
const BOB = { number: 10002, handle: 'bob' }

async function friends(): Promise<[Person, Person]> {
  const alice = await Person.open({ ...ALICE, store: memoryStore() })
  const bob = await Person.open({ ...BOB, store: memoryStore() })
  await alice.befriend(bob)
  await bob.befriend(alice)
  return [alice, bob]
}

function isReceipt(message: { kind: string }): boolean {
  return message.kind === 'receipt'
}

describe('a conversation', () => {
  it('brings a message from queued over sent-direct to delivered, and shows it once', async () => {
    const [alice, bob] = await friends()
    const sent = await alice.say(bob, 'hello')
    const before = await alice.state(sent)

    await Line.connect(alice, bob).flush()

    assert.equal(before, 'queued')
    assert.equal(await alice.state(sent), 'delivered')
    assert.equal(alice.archive.outbox.size, 0)
    assert.deepEqual(await bob.heard(), ['hello'])
    assert.deepEqual(
      (await alice.events('message.state')).map(({ data }) => data['state']),
      ['queued', 'sent-direct', 'delivered'],
    )
  })

  it('names the sender and the id in the event', async () => {
    const [alice, bob] = await friends()
    const sent = await alice.say(bob, 'who is it?')
    await Line.connect(alice, bob).flush()

    const [event] = await bob.events('message.received')

    assert.deepEqual(event?.data['from'], ALICE)
    assert.equal(event.data['id'], sent.id)
    assert.equal(event.data['sentAt'], new Date(sent.sentAtMs).toISOString())
  })

  it('asks for a session when there is something to send and none stands', async () => {
    const [alice, bob] = await friends()

    await alice.say(bob, 'hello')

    assert.deepEqual(alice.wanted, [bob.number])
  })

  it('keeps the order of what one side writes, before and during a session', async () => {
    const [alice, bob] = await friends()
    const texts = Array.from({ length: 300 }, (_, index) => `text ${index}`)
    await Promise.all(texts.slice(0, 150).map((text) => alice.say(bob, text)))

    const line = Line.connect(alice, bob)
    await Promise.all(texts.slice(150).map((text) => alice.say(bob, text)))
    await line.flush()

    assert.deepEqual(await bob.heard(), texts)
    assert.equal(alice.archive.outbox.size, 0)
  })

  it('resends what has no receipt on the next session, and shows it once all the same', async () => {
    const [alice, bob] = await friends()
    const sent = await alice.say(bob, 'once')
    const first = Line.connect(alice, bob)
    await first.flush(isReceipt)
    first.cut()
    const between = await alice.state(sent)

    const second = Line.connect(alice, bob)
    await second.flush()

    assert.equal(between, 'sent-direct')
    assert.equal(second.carried.filter(({ kind }) => kind === 'text').length, 1)
    assert.deepEqual(await bob.heard(), ['once'])
    assert.equal(await alice.state(sent), 'delivered')
  })

  it('sends on the second of two sessions that come at once', async () => {
    const [alice, bob] = await friends()
    await alice.say(bob, 'hello')

    Line.connect(alice, bob).cut()
    await Line.connect(alice, bob).flush()

    assert.deepEqual(await bob.heard(), ['hello'])
  })

  it('does not resend what has a receipt', async () => {
    const [alice, bob] = await friends()
    await alice.say(bob, 'delivered already')
    const first = Line.connect(alice, bob)
    await first.flush()
    first.cut()

    const second = Line.connect(alice, bob)
    await second.flush()

    assert.deepEqual(second.carried, [])
  })

  it('loses and repeats nothing, whatever the line does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 9 }), { maxLength: 40 }), async (weather) => {
        const [alice, bob] = await friends()
        const said: string[] = []
        let line = Line.connect(alice, bob)
        for (const [index, what] of weather.entries()) {
          if (what < 4) {
            said.push(`text ${index}`)
            await alice.say(bob, `text ${index}`)
          } else if (what < 6) {
            await line.flush()
          } else {
            // A session loses only its end: nothing, the receipts, or everything that lay on the line.
            if (what < 8) await line.flush(isReceipt)
            line.cut()
            line = Line.connect(alice, bob)
          }
        }
        line.cut()
        await Line.connect(alice, bob).flush()

        assert.deepEqual(await bob.heard(), said)
        assert.equal(alice.archive.outbox.size, 0)
      }),
      { numRuns: 60 },
    )
  })

  it('runs no more than a window ahead of the receipts', async () => {
    const [alice, bob] = await friends()
    await Promise.all(Array.from({ length: 400 }, (_, index) => alice.say(bob, `${index}`)))

    const line = Line.connect(alice, bob)
    await line.flush(isReceipt)

    assert.equal(line.carried.length, 128)
  })

  it('goes on where the session had no room, receipts included', async () => {
    const [alice, bob] = await friends()
    const texts = Array.from({ length: 50 }, (_, index) => `text ${index}`)
    await Promise.all(texts.map((text) => alice.say(bob, text)))

    const line = Line.connect(alice, bob)
    line.room = 3
    await line.flush()

    assert.deepEqual(await bob.heard(), texts)
    assert.equal(alice.archive.outbox.size, 0)
  })

  it('tells how many messages are missing before one that came', async () => {
    const [alice, bob] = await friends()
    Line.connect(alice, bob)
    const conversation = bob.conversations.with(alice.number)
    for (const sequence of [1, 4]) {
      const id = `${sequence}`.padStart(32, '0') as MessageId
      conversation.receive(
        encodePeerMessage({ kind: 'text', id, sequence, sentAtMs: 0, text: `number ${sequence}` }),
      )
    }
    await bob.conversations.idle()

    const received = await bob.events('message.received')

    assert.deepEqual(
      received.map(({ data }) => data['missing']),
      [undefined, 2],
    )
  })

  it('takes a read receipt after the delivered one', async () => {
    const [alice, bob] = await friends()
    const sent = await alice.say(bob, 'read this')
    const line = Line.connect(alice, bob)
    await line.flush()

    line.send(
      bob,
      alice.number,
      encodePeerMessage({ kind: 'receipt', state: 'read', ids: [sent.id] }),
    )
    await line.flush()

    assert.equal(await alice.state(sent), 'read')
  })

  describe('texts', () => {
    it('survive unchanged whatever Unicode they hold', async () => {
      const [alice, bob] = await friends()
      const line = Line.connect(alice, bob)
      const texts = ['', '\u0000', 'a\u0000b\r\n\u2028', '👩‍👩‍👧‍👦 \u202e', '\uFEFF小明\uFFFF']
      for (const text of texts) await alice.say(bob, text)

      await line.flush()

      assert.deepEqual(await bob.heard(), texts)
    })

    it('have halves of surrogate pairs replaced, as String.toWellFormed does it', async () => {
      const [alice, bob] = await friends()
      await alice.say(bob, 'a\ud800b\udc00')

      await Line.connect(alice, bob).flush()

      assert.deepEqual(await bob.heard(), ['a\ufffdb\ufffd'])
    })

    it('have at most 65,535 bytes of UTF-8', async () => {
      const [alice, bob] = await friends()

      await alice.say(bob, 'x'.repeat(MAX_TEXT_BYTES))
      await assert.rejects(alice.say(bob, 'x'.repeat(MAX_TEXT_BYTES + 1)), { code: 'TOO_LARGE' })
      await assert.rejects(alice.say(bob, 'ü'.repeat(MAX_TEXT_BYTES / 2 + 1)), {
        code: 'TOO_LARGE',
      })

      await Line.connect(alice, bob).flush()
      assert.equal((await bob.heard()).length, 1)
    })
  })

  describe('sending', () => {
    it('twice with the same client id sends once', async () => {
      const [alice, bob] = await friends()
      const wish = { to: alice.buddy(bob), text: 'once', clientId: 'backup-42' }

      const [first, second] = await Promise.all([
        alice.conversations.send(wish),
        alice.conversations.send(wish),
      ])
      await Line.connect(alice, bob).flush()
      const third = await alice.conversations.send(wish)

      assert.equal(second.id, first.id)
      assert.equal(third.id, first.id)
      assert.equal(third.state, 'delivered')
      assert.deepEqual(await bob.heard(), ['once'])
    })

    it('something else with the same client id is refused', async () => {
      const [alice, bob] = await friends()
      const wish = { to: alice.buddy(bob), text: 'one', clientId: 'id' }
      await alice.conversations.send(wish)

      await assert.rejects(alice.conversations.send({ ...wish, text: 'other' }), {
        code: 'CLIENT_ID_REUSED',
      })
    })

    it('to somebody who has not accepted is refused', async () => {
      const [alice] = await friends()
      await alice.archive.roster.change(
        { number: 10003, handle: 'carol', state: 'pending-out' },
        '',
      )

      await assert.rejects(alice.say({ number: 10003 }, 'hi'), { code: 'BUDDY_UNKNOWN' })
    })

    it('answers a message of the same conversation only', async () => {
      const [alice, bob] = await friends()
      const question = await alice.say(bob, 'why?')
      await Line.connect(alice, bob).flush()

      const to = bob.buddy(alice)
      const answer = await bob.conversations.send({ to, text: 'because', replyTo: question.id })

      assert.equal(answer.replyTo, question.id)
      for (const replyTo of ['00'.repeat(16), 'nonsense']) {
        await assert.rejects(bob.conversations.send({ to, text: '?', replyTo }), {
          code: 'NOT_FOUND',
        })
      }
    })
  })

  describe('settled()', () => {
    it('resolves when the message is delivered', async () => {
      const [alice, bob] = await friends()
      const { id } = await alice.say(bob, 'hello')
      const settled = alice.conversations.settled(id, 'delivered', new AbortController().signal)

      await Line.connect(alice, bob).flush()

      assert.equal((await settled).state, 'delivered')
    })

    it('resolves with the end of a message that will never be delivered', async () => {
      const [alice, bob] = await friends()
      const { id } = await alice.say(bob, 'hello')
      const settled = alice.conversations.settled(id, 'delivered', new AbortController().signal)

      await alice.conversations.with(bob.number).fail('not-buddies')

      assert.deepEqual((await settled).state, 'failed')
      assert.equal(alice.archive.outbox.size, 0)
    })

    it('rejects when whoever waits gives up', async () => {
      const [alice, bob] = await friends()
      const { id } = await alice.say(bob, 'hello')
      const patience = new AbortController()
      const settled = alice.conversations.settled(id, 'delivered', patience.signal)

      patience.abort(new Error('enough'))

      await assert.rejects(settled, /enough/)
    })
  })

  it('gives up what has waited for 30 days', async () => {
    const [alice, bob] = await friends()
    const old = await alice.say(bob, 'old')
    alice.clock.advance(EXPIRY_MS - 1)
    const young = await alice.say(bob, 'young')
    alice.clock.advance(2)

    await alice.conversations.expire()

    assert.equal(await alice.state(old), 'expired')
    assert.equal(await alice.state(young), 'queued')
  })

  describe('with keys that are not the pinned ones', () => {
    async function impostor(bob: Person): Promise<Person> {
      const store = memoryStore()
      const false_ = await Person.open({ ...ALICE, store, keySeed: 77 })
      await false_.befriend(bob)
      return false_
    }

    it('delivers what comes, flagged, tells it once, and sends nothing', async () => {
      const [alice, bob] = await friends()
      await Line.connect(alice, bob).flush()
      const mallory = await impostor(bob)
      await mallory.say(bob, 'it is me, alice')
      const waiting = await bob.say(alice, 'for alice alone')

      const line = Line.connect(mallory, bob)
      await line.flush()
      await Line.connect(mallory, bob).flush()

      const [received] = await bob.events('message.received')
      assert.equal(received?.data['isIdentityChanged'], true)
      assert.equal((await bob.events('identity.changed')).length, 1)
      assert.equal(await bob.state(waiting), 'queued')
      assert.deepEqual(await mallory.heard(), [])
      await assert.rejects(bob.say(alice, 'more'), { code: 'IDENTITY_CHANGED' })
    })

    it('sends again when the pinned ones are back', async () => {
      const [alice, bob] = await friends()
      await Line.connect(alice, bob).flush()
      await Line.connect(await impostor(bob), bob).flush()

      const line = Line.connect(alice, bob)
      await line.flush()
      await bob.say(alice, 'welcome back')
      await line.flush()

      assert.deepEqual(await alice.heard(), ['welcome back'])
    })
  })

  describe('against a peer that does not keep the rules', () => {
    it('drops and counts what makes no sense', async () => {
      const [alice, bob] = await friends()
      Line.connect(alice, bob)
      const conversation = bob.conversations.with(alice.number)

      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
          conversation.receive(bytes)
          await bob.conversations.idle()
        }),
        { numRuns: 200 },
      )

      assert.ok((bob.archive.dropped.snapshot()['message-malformed'] ?? 0) > 0)
      assert.deepEqual(await bob.heard(), [])
    })

    it('lets nobody overwrite a message of another conversation, or confirm it', async () => {
      const [alice, bob] = await friends()
      const carol = { number: 10003, handle: 'carol' }
      await bob.befriend(carol)
      const forCarol = await bob.say(carol, 'for carol')
      Line.connect(alice, bob)
      const conversation = bob.conversations.with(alice.number)

      conversation.receive(
        encodePeerMessage({ kind: 'text', id: forCarol.id, sequence: 1, sentAtMs: 0, text: '!' }),
      )
      conversation.receive(
        encodePeerMessage({ kind: 'receipt', state: 'delivered', ids: [forCarol.id] }),
      )
      await bob.conversations.idle()

      const kept = await bob.archive.history.get(forCarol.id)
      assert.deepEqual([kept?.text, kept?.state], ['for carol', 'queued'])
      assert.deepEqual(await bob.heard(), [])
    })

    it('takes nothing from who is no buddy', async () => {
      const [alice, bob] = await friends()
      await alice.say(bob, 'still there?')
      await bob.archive.roster.remove(alice.number)

      await Line.connect(alice, bob).flush()

      assert.deepEqual(await bob.heard(), [])
    })

    it('cuts off who sends without end while the disk is busy', async () => {
      const [alice, bob] = await friends()
      const line = Line.connect(alice, bob)
      const conversation = bob.conversations.with(alice.number)

      for (let sequence = 1; sequence <= 2000; sequence++) {
        const id = sequence.toString(16).padStart(32, '0') as MessageId
        const text = { kind: 'text', id, sequence, sentAtMs: 0, text: 'x' } as const
        conversation.receive(encodePeerMessage(text))
      }
      await bob.conversations.idle()

      assert.equal(conversation.isConnected, false)
      assert.equal(line.send(alice, bob.number, new Uint8Array(1)), false)
      assert.ok((await bob.heard()).length <= 1024)
    })
  })

  describe('on a disk that does not write', () => {
    it('fails the command, and sends nothing', async () => {
      const store = new FaultyStore(memoryStore())
      const alice = await Person.open({ ...ALICE, store })
      const bob = await Person.open({ ...BOB, store: memoryStore() })
      await alice.befriend(bob)
      await bob.befriend(alice)
      const line = Line.connect(alice, bob)
      await line.flush()

      store.isFull = true
      await assert.rejects(alice.say(bob, 'not on disk'), /ENOSPC/)
      store.isFull = false
      await line.flush()

      assert.deepEqual(await bob.heard(), [])
    })

    it('confirms nothing that is not on disk, and gets it again', async () => {
      const store = new FaultyStore(memoryStore())
      const alice = await Person.open({ ...ALICE, store: memoryStore() })
      const bob = await Person.open({ ...BOB, store })
      await alice.befriend(bob)
      await bob.befriend(alice)
      const line = Line.connect(alice, bob)
      await line.flush()
      const sent = await alice.say(bob, 'keep this')

      store.isFull = true
      await line.flush()
      const meanwhile = await alice.state(sent)
      store.isFull = false
      await Line.connect(alice, bob).flush()

      assert.equal(meanwhile, 'sent-direct')
      assert.deepEqual(await bob.heard(), ['keep this'])
      assert.equal(await alice.state(sent), 'delivered')
    })
  })

  onEveryStore((place) => {
    it('sends after a restart what was on disk and not sent', async () => {
      const first = await place().open()
      const alice = await Person.open({ ...ALICE, store: first })
      const bob = await Person.open({ ...BOB, store: memoryStore() })
      await alice.befriend(bob)
      await bob.befriend(alice)
      await alice.say(bob, 'one')
      await alice.say(bob, 'two')
      await first.close() // killed between store and send

      const again = await place().open()
      const reborn = await Person.open({ ...ALICE, store: again })
      await reborn.say(bob, 'three')
      await Line.connect(reborn, bob).flush()

      assert.deepEqual(await bob.heard(), ['one', 'two', 'three'])
      assert.equal(reborn.archive.outbox.size, 0)
      await again.close()
    })

    it('shows once what was received before a restart and comes again', async () => {
      const first = await place().open()
      const alice = await Person.open({ ...ALICE, store: memoryStore() })
      const bob = await Person.open({ ...BOB, store: first })
      await alice.befriend(bob)
      await bob.befriend(alice)
      const sent = await alice.say(bob, 'once')
      const line = Line.connect(alice, bob)
      await line.flush(isReceipt) // killed after the write, before the receipt got there
      line.cut()
      await first.close()

      const again = await place().open()
      const reborn = await Person.open({ ...BOB, store: again })
      await Line.connect(alice, reborn).flush()

      assert.deepEqual(await reborn.heard(), ['once'])
      assert.equal(await alice.state(sent), 'delivered')
      await again.close()
    })
  })
})
