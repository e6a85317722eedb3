/**
 * A server killed at random instants: what it has accepted is there, once for each id, in the order of its sender.
 * `MAIL_KILL_ROUNDS=200` deepens it.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../src/core/bytes.ts'
import type { AccountNumber, RequestId } from '../../src/protocol/server/messages.ts'
import type { ServerLinkEvent } from '../../src/tcp/server-link-event.ts'
import { RealClient, register } from '../server/support/real-client.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { startServer, type Server } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'

const ROUNDS = Number(process.env['MAIL_KILL_ROUNDS'] ?? 3)
const MESSAGES = 500
const SEED = Number(process.env['MAIL_KILL_SEED'] ?? Date.now() % 1_000_000)
const PASSWORD = 'correct horse battery staple'

/** As far as a client may be ahead of the server's answers. */
const AHEAD = 32

function idOf(index: number): Uint8Array {
  const id = Buffer.alloc(16)
  id.writeUInt32BE(index, 12)
  return id
}

describe(`a server that is killed at random instants (seed ${SEED})`, function () {
  this.timeout(60_000 * ROUNDS)
  const random = new SeededRandom(SEED)
  let directory: string
  let server: Server
  let bob: AccountNumber

  async function online(name: string): Promise<RealClient> {
    const client = new RealClient(server.link, name, PASSWORD)
    await client.next('welcome', (event) => (event.kind === 'online' ? event : undefined))
    await client.next('presence', (event) => isMessage(event, 'presence'))
    return client
  }

  async function restart(): Promise<void> {
    const listen = /holler:\/\/([^?]+)/.exec(server.link)?.[1]
    server = await startServer({
      dataDir: directory,
      ...(listen === undefined ? {} : { listen }),
    })
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-kill-'))
    server = await startServer({ dataDir: directory })
    for (const name of ['alice', 'bob']) await register(server.link, name, PASSWORD)
    const [a, b] = [await online('alice'), await online('bob')]
    a.request({ kind: 'buddy-request', to: 'bob', note: '' })
    const asked = await b.next('request', (event) => isMessage(event, 'buddy-changed'))
    assert.equal(asked.kind, 'buddy-changed')
    b.request({ kind: 'buddy-accept', number: asked.buddy.number })
    await a.next('buddy', (event) => {
      const message = isMessage(event, 'buddy-changed')
      return message?.buddy.state === 'accepted' ? message : undefined
    })
    bob = asked.buddy.number + 1
    a.stop()
    b.stop()
  })

  after(async () => {
    await stopAllPrograms()
    await rm(directory, { recursive: true, force: true })
  })

  /** Sends in order, never further ahead than AHEAD; resolves with what was accepted before the server was gone. */
  async function send(
    client: RealClient,
    from: number,
    to: number,
    killAt: number,
  ): Promise<number> {
    const waiting = new Map<RequestId, number>()
    let next = from
    let accepted = from
    while (accepted < to) {
      while (next < to && next - accepted < AHEAD) {
        const body = new Uint8Array(200).fill(next)
        const message = { kind: 'send', to: bob, messageId: idOf(next), body } as const
        waiting.set(client.request(message), next)
        next += 1
      }
      const event = await client.next('answer', (each) =>
        each.kind === 'answered' || each.kind === 'offline' ? each : undefined,
      )
      if (event.kind === 'offline' || event.error !== undefined) return accepted
      assert.equal(waiting.get(event.id), accepted, 'accepted in their order')
      accepted += 1
      if (accepted === killAt) void server.program.stop('SIGKILL')
    }
    return accepted
  }

  it(`loses none of ${ROUNDS} × ${MESSAGES} accepted messages, and keeps their order`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const [first, last] = [round * MESSAGES, (round + 1) * MESSAGES]
      let client = await online('alice')
      const killAt = first + 1 + Math.floor((random.bytes(1)[0] ?? 0) * 1.9)
      const accepted = await send(client, first, last, killAt)
      client.stop()
      await server.program.exited
      await restart()
      assert.ok(accepted >= killAt)

      client = await online('alice')
      assert.equal(await send(client, accepted, last, -1), last)
      client.stop()
      assert.deepEqual(await received(MESSAGES), ids(first, last))
    }
  })

  function ids(from: number, to: number): string[] {
    return Array.from({ length: to - from }, (_, n) => toHex(idOf(from + n)))
  }

  async function received(count: number): Promise<string[]> {
    const client = await online('bob')
    const got: string[] = []
    while (got.length < count) {
      const mail = await client.next('mail', (event) => isMessage(event, 'deliver'))
      got.push(toHex(mail.messageId))
      client.acknowledge([mail.seq])
    }
    client.logOut()
    await client.next('end', (event) => (event.kind === 'stopped' ? event : undefined))
    client.stop()
    return got
  }
})

type Notice = Extract<ServerLinkEvent, { kind: 'message' }>['message']

function isMessage<K extends Notice['kind']>(
  event: ServerLinkEvent,
  kind: K,
): Extract<Notice, { kind: K }> | undefined {
  return event.kind === 'message' && event.message.kind === kind
    ? (event.message as Extract<Notice, { kind: K }>)
    : undefined
}
