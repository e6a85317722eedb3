/**
 * A server killed at random instants: what it has accepted is there, once for each id, in the order of its sender.
 * `MAIL_KILL_ROUNDS=50` deepens it; a round takes a second or two.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '../../src/core/bytes.ts'
import type { AccountNumber, RequestId } from '../../src/protocol/server/messages.ts'
import { heard, PASSWORD, welcomed } from '../security/support/siege.ts'
import { RealClient, register } from '../server/support/real-client.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { startServer, type Server } from '../support/household.ts'
import { stopAllPrograms } from '../support/programs.ts'

const ROUNDS = Number(process.env['MAIL_KILL_ROUNDS'] ?? 3)
const SEED = Number(process.env['MAIL_KILL_SEED'] ?? Date.now() % 1_000_000)
const SENDERS = ['alice', 'carol']

/** Of one sender in a round. A session may say 256 things at once; then it is held to 50 a second, and we would wait. */
const EACH = 250

/** As far as a client may be ahead of the server's answers. */
const AHEAD = 32

/** What the recipient acknowledges at once: half of what it is given unacknowledged. */
const TOGETHER = 16

interface Sender {
  readonly name: string
  readonly number: AccountNumber
  /** Of all it has sent since the first round. */
  accepted: number
}

function idOf(number: AccountNumber, index: number): Uint8Array {
  const id = Buffer.alloc(16)
  id.writeUInt32BE(number, 0)
  id.writeUInt32BE(index, 12)
  return id
}

describe(`a server that is killed at random instants (seed ${SEED})`, function () {
  this.timeout(60_000 + 60_000 * ROUNDS)
  const random = new SeededRandom(SEED)
  const senders: Sender[] = []
  const clients = new Set<RealClient>() // they would come back for ever, and a failed test would not end
  let directory: string
  let server: Server
  let bob: AccountNumber

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holler-kill-'))
    server = await startServer({ dataDir: directory })
    await register(server.link, 'bob', PASSWORD)
    const recipient = await online('bob')
    bob = recipient.number
    for (const name of SENDERS) {
      await register(server.link, name, PASSWORD)
      const { client, number } = await online(name)
      client.request({ kind: 'buddy-request', to: 'bob', note: '' })
      const { buddy } = await recipient.client.next('request', (event) => {
        const change = heard('buddy-changed')(event)
        return change?.buddy.number === number ? change : undefined
      })
      assert.equal(buddy.state, 'pending-in')
      recipient.client.request({ kind: 'buddy-accept', number })
      await client.next('buddy', (event) =>
        heard('buddy-changed')(event)?.buddy.state === 'accepted' ? true : undefined,
      )
      client.stop()
      senders.push({ name, number, accepted: 0 })
    }
    recipient.client.stop()
  })

  after(async () => {
    for (const client of clients) client.stop()
    await stopAllPrograms()
    await rm(directory, { recursive: true, force: true })
  })

  it(`loses none of ${ROUNDS} × ${EACH * SENDERS.length} accepted messages, and keeps their order`, async () => {
    let beforeKills = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const [high = 0, low = 0] = random.bytes(2)
      const total = EACH * SENDERS.length
      const killAfter = 1 + ((high * 256 + low) % (total - 1))
      let left = killAfter
      await allSend(round * EACH, () => {
        left -= 1
        if (left === 0) void server.program.stop('SIGKILL')
      })
      const accepted = senders.reduce((sum, each) => sum + each.accepted, 0) - (round - 1) * total
      assert.ok(accepted >= killAfter)
      beforeKills += accepted
      await server.program.exited
      await restart()

      await allSend(round * EACH, () => undefined)
      for (const each of senders) assert.equal(each.accepted, round * EACH)
      assert.deepEqual(await receivedBySender(total), expectedIn(round))
    }
    console.log(
      `      ${ROUNDS} kills: ${senders.reduce((sum, each) => sum + each.accepted, 0)} accepted, ` +
        `${beforeKills} of them just before a kill: 0 lost, 0 doubled, 0 out of order`,
    )
  })

  async function restart(): Promise<void> {
    const listen = /holler:\/\/([^?]+)/.exec(server.link)?.[1]
    server = await startServer({
      dataDir: directory,
      ...(listen === undefined ? {} : { listen }),
    })
  }

  async function online(
    name: string,
  ): Promise<{ readonly client: RealClient; readonly number: AccountNumber }> {
    const client = new RealClient(server.link, name, PASSWORD)
    clients.add(client)
    const { number } = await client.next('welcome', welcomed)
    await client.next('presence', heard('presence'))
    return { client, number }
  }

  /** Everybody at once, as far as the server lives. */
  async function allSend(to: number, onAccepted: () => void): Promise<void> {
    const everybody = await Promise.all(senders.map(({ name }) => online(name)))
    await Promise.all(
      everybody.map(async ({ client }, index) => {
        const sender = senders[index] ?? assert.fail()
        await send(client, sender, to, onAccepted)
        client.stop()
      }),
    )
  }

  /** Sends in order, never further ahead than AHEAD; resolves when all is accepted, or the server is gone. */
  async function send(
    client: RealClient,
    sender: Sender,
    to: number,
    onAccepted: () => void,
  ): Promise<void> {
    const waiting = new Map<RequestId, number>()
    let next = sender.accepted
    while (sender.accepted < to) {
      for (; next < to && next - sender.accepted < AHEAD; next++) {
        const body = new Uint8Array(200).fill(next)
        const messageId = idOf(sender.number, next)
        waiting.set(client.request({ kind: 'send', to: bob, messageId, body }), next)
      }
      const event = await client.next('answer', (each) =>
        each.kind === 'answered' || each.kind === 'offline' ? each : undefined,
      )
      if (event.kind === 'offline' || event.error !== undefined) return
      assert.equal(waiting.get(event.id), sender.accepted, 'accepted in their order')
      sender.accepted += 1
      onAccepted()
    }
  }

  function expectedIn(round: number): ReadonlyMap<AccountNumber, readonly string[]> {
    return new Map(
      senders.map(({ number }) => {
        const ids = Array.from({ length: EACH }, (_, n) => idOf(number, (round - 1) * EACH + n))
        return [number, ids.map(toHex)]
      }),
    )
  }

  /** What waits for Bob, by who sent it, as it comes. One too many is found in the next round. */
  async function receivedBySender(
    count: number,
  ): Promise<ReadonlyMap<AccountNumber, readonly string[]>> {
    const { client } = await online('bob')
    const got = new Map<AccountNumber, string[]>(senders.map(({ number }) => [number, []]))
    const seqs: number[] = []
    for (let n = 1; n <= count; n++) {
      const { from, messageId, seq } = await client.next('mail', heard('deliver'))
      got.get(from)?.push(toHex(messageId))
      seqs.push(seq)
      if (seqs.length === TOGETHER || n === count) client.acknowledge(seqs.splice(0))
    }
    client.logOut()
    await client.next('end', (event) => (event.kind === 'stopped' ? event : undefined))
    client.stop()
    return got
  }
})
