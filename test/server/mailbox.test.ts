import assert from 'node:assert/strict'
import type { Store } from '../../src/core/store.ts'
import type { ClientMessage, ServerMessage } from '../../src/protocol/server/messages.ts'
import { MAIL_LIFE_MS, STORE_AFTER_MS, WINDOW } from '../../src/server/mailbox.ts'
import { memoryStore } from '../support/memory-store.ts'
import type { TestClient } from './support/test-client.ts'
import { TestServer } from './support/test-server.ts'

type Of<K extends ServerMessage['kind']> = Extract<ServerMessage, { kind: K }>

/** Refuses writes while it is full. */
class Disk {
  readonly store: Store = memoryStore()
  isFull = false
  writes = 0

  constructor() {
    const write = this.store.write.bind(this.store)
    this.store.write = (changes) => {
      this.writes += 1
      return this.isFull ? Promise.reject(new Error('ENOSPC')) : write(changes)
    }
  }
}

function idOf(n: number): Uint8Array {
  return new Uint8Array(16).fill(n)
}

describe('Mailbox', () => {
  let disk: Disk
  let server: TestServer
  let alice: number
  let bob: number
  let carol: number

  beforeEach(async () => {
    disk = new Disk()
    server = await TestServer.start({ store: disk.store })
    ;[alice = 0, bob = 0, carol = 0] = await server.accounts('alice', 'bob', 'carol')
    await server.befriend(alice, bob)
    await server.befriend(carol, bob)
  })

  async function send(from: TestClient, to: number, n: number, bytes = 3): Promise<void> {
    const body = new Uint8Array(bytes).fill(n)
    await from.say({ kind: 'send', id: n, to, messageId: idOf(n), body })
  }

  async function ack(client: TestClient, ...seqs: readonly number[]): Promise<void> {
    await client.say({ kind: 'ack', seqs } satisfies ClientMessage)
  }

  function delivered(client: TestClient): number[] {
    return client.all('deliver').map(({ messageId }) => messageId[0] ?? 0)
  }

  function accepted(client: TestClient): Record<number, Of<'accepted'>['at']> {
    return Object.fromEntries(client.all('accepted').map(({ id, at }) => [id, at]))
  }

  it('hands a message on at once, and says that the recipient has it when it does', async () => {
    const [a, b] = [await server.online('alice'), await server.online('bob')]
    const before = disk.writes

    await send(a, bob, 1)
    const deliver = b.last('deliver')
    assert.deepEqual(accepted(a), {})
    await ack(b, deliver.seq)

    assert.equal(deliver.from, alice)
    assert.deepEqual(Buffer.from(deliver.body), Buffer.from([1, 1, 1]))
    assert.deepEqual(accepted(a), { 1: 'recipient' })
    assert.equal(disk.writes, before)
  })

  it('stores what is not acknowledged within two seconds, and gives it again next time', async () => {
    const [a, b] = [await server.online('alice'), await server.online('bob')]

    await send(a, bob, 1)
    await server.time.pass(STORE_AFTER_MS - 1)
    assert.deepEqual(accepted(a), {})
    await server.time.pass(1)

    assert.deepEqual(accepted(a), { 1: 'mailbox' })
    b.end.hangUp()
    const again = await server.online('bob')
    assert.deepEqual(delivered(again), [1])
    await ack(again, again.last('deliver').seq)
    again.end.hangUp()
    assert.deepEqual(delivered(await server.online('bob')), [])
  })

  it('forgets what is acknowledged while it is being stored', async () => {
    const [a, b] = [await server.online('alice'), await server.online('bob')]
    await send(a, bob, 1)
    const { seq } = b.last('deliver')

    const late = server.time.pass(STORE_AFTER_MS)
    await ack(b, seq)
    await late

    b.end.hangUp()
    assert.deepEqual(delivered(await server.online('bob')), [])
  })

  it('keeps mail for those who are away, in its order, over a restart', async () => {
    const [a, c] = [await server.online('alice'), await server.online('carol')]
    for (const n of [1, 2, 3]) await send(a, bob, n)
    await send(c, bob, 4)

    assert.deepEqual(accepted(a), { 1: 'mailbox', 2: 'mailbox', 3: 'mailbox' })
    const restarted = await TestServer.start({ store: disk.store })
    const b = await restarted.online('bob')
    assert.deepEqual(delivered(b), [1, 2, 3, 4])
    assert.deepEqual(
      b.all('deliver').map(({ from }) => from),
      [alice, alice, alice, carol],
    )
  })

  it('keeps the order of a sender over sessions that end and disks that are slow', async () => {
    const a = await server.online('alice')
    let b = await server.online('bob')
    const seen: number[] = []
    for (let n = 1; n <= 60; n++) {
      await send(a, bob, n)
      if (n % 7 !== 0) continue
      for (const deliver of b.all('deliver')) {
        const id = deliver.messageId[0] ?? 0
        if (!seen.includes(id)) seen.push(id)
        if (n % 2 === 0) await ack(b, deliver.seq)
      }
      b.end.hangUp()
      b = await server.online('bob')
    }
    for (const id of delivered(b)) if (!seen.includes(id)) seen.push(id)

    assert.deepEqual(seen, Array.from({ length: 60 }, (_, n) => n + 1).slice(0, seen.length))
    assert.ok(seen.length >= 56, String(seen.length))
  })

  it('refuses strangers, and says nothing about whom they meant', async () => {
    const a = await server.online('alice')

    await send(a, carol, 1)
    await send(a, 99_999, 2)

    const errors = a.all('error').map(({ code, text }) => `${code} ${text}`)
    assert.equal(new Set(errors).size, 1)
    assert.match(errors[0] ?? '', /^not-buddies /)
  })

  it('gives a client no more than a window, and goes on as it acknowledges', async () => {
    const a = await server.online('alice')
    for (let n = 1; n <= WINDOW.messages + 5; n++) await send(a, bob, n)
    const b = await server.online('bob')
    assert.equal(delivered(b).length, WINDOW.messages)

    await send(a, bob, 100)
    assert.equal(accepted(a)[100], 'mailbox')
    await ack(b, ...b.all('deliver').map(({ seq }) => seq))

    assert.deepEqual(delivered(b).at(-1), 100)
    assert.equal(delivered(b).length, WINDOW.messages + 6)
    await ack(b, ...b.all('deliver').map(({ seq }) => seq))
    await send(a, bob, 101)
    assert.deepEqual(delivered(b).at(-1), 101)
  })

  it('cuts a client that does not read, and keeps its mail', async () => {
    const [a, b] = [await server.online('alice'), await server.online('bob')]
    b.end.stopReading()

    for (let n = 1; n <= 20; n++) await send(a, bob, n, 30_000)
    await server.time.pass(31_000)

    assert.ok(b.isClosed)
    assert.equal(Object.values(accepted(a)).length, 20)
    const again = await server.online('bob')
    for (let n = 0; n < 20; n++) await ack(again, ...again.all('deliver').map(({ seq }) => seq))
    assert.equal(new Set(delivered(again)).size, 20)
  })

  it('accepts nothing that is not on the disk, and goes on when there is room again', async () => {
    const a = await server.online('alice')
    disk.isFull = true

    await send(a, bob, 1)
    assert.equal(a.last('error').code, 'temporary')
    disk.isFull = false
    await send(a, bob, 1)

    assert.deepEqual(accepted(a), { 1: 'mailbox' })
    assert.deepEqual(delivered(await server.online('bob')), [1])
  })

  it('tells a sender with too much waiting that the mailbox is full', async () => {
    const a = await server.online('alice')
    for (let n = 1; n <= 245; n++) await send(a, bob, n, 69_000)
    await server.time.pass(600_000)

    assert.equal(a.last('error').code, 'mailbox-full')
  })

  it('looks for an invisible recipient as for one who is away, and gives them their mail', async () => {
    const [a, b] = [await server.online('alice'), await server.online('bob')]
    await b.askOk({ kind: 'set-presence', state: 'invisible', text: '' })

    await send(a, bob, 1)

    assert.deepEqual(accepted(a), { 1: 'mailbox' })
    assert.deepEqual(delivered(b), [1])
  })

  it('takes back what its sender withdraws', async () => {
    const a = await server.online('alice')
    for (const n of [1, 2]) await send(a, bob, n)

    await a.askOk({ kind: 'withdraw', to: bob, messageIds: [idOf(1)] })

    assert.deepEqual(delivered(await server.online('bob')), [2])
  })

  it('lets nobody acknowledge what was not given to them', async () => {
    const [a, c] = [await server.online('alice'), await server.online('carol')]
    await send(a, bob, 1)

    for (let seq = 1; seq < 40; seq++) await ack(c, seq)

    assert.deepEqual(delivered(await server.online('bob')), [1])
  })

  it('gives up after 30 days of running what nobody fetched', async () => {
    const a = await server.online('alice')
    await send(a, bob, 1)
    a.end.hangUp()

    await server.time.pass(MAIL_LIFE_MS - 600_000)
    assert.equal((await server.store.mail.waiting(bob)).messages, 1)
    await server.time.pass(1_200_000)

    assert.equal((await server.store.mail.waiting(bob)).messages, 0)
  })
})
