import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeClientMessage, encodeServerMessage } from '../../src/protocol/server/encode.ts'
import type { ServerMessage } from '../../src/protocol/server/messages.ts'
import { clientMessages, serverMessages } from '../protocol/support/arbitrary-messages.ts'
import type { TestClient } from '../server/support/test-client.ts'
import { TestServer } from '../server/support/test-server.ts'

/** Messages of a hostile client. CI says 20,000. */
const LIES = Number(process.env['SPOOFED_MESSAGES'] ?? 2_000)

/** Of each kind some, and not one ends the session, so few logins are needed. */
const SAID_BETWEEN_LOOKS = 20

/** So that the limits on how much one may ask for do not hide what is to be seen. */
const PAUSE_MS = 2_000

const ALICE = 10_001
const BOB = 10_002
const MALLORY = 10_003

/** Attributes by which others speak of who somebody is, slipped into the first tag. */
const DISGUISES = [
  ` from="${ALICE}"`,
  ` number="${ALICE}"`,
  ` from="${ALICE}" number="${ALICE}"`,
  ` sender="${ALICE}"`,
  '',
]

/** Whom a message speaks of as its author. */
function sendersIn(message: ServerMessage): readonly number[] {
  const { kind } = message
  if (kind === 'introduced' || kind === 'deliver') return [message.from]
  if (kind === 'presence') return message.entries.map(({ number }) => number)
  if (kind === 'buddy-changed') return [message.buddy.number]
  return kind === 'buddy-removed' ? [message.number] : []
}

function disguised(document: Uint8Array, disguise: string): Uint8Array {
  const text = Buffer.from(document).toString()
  if (/^<[^>]* (from|number|sender)=/.test(text)) {
    const own = text.replace(/^(<[^>]*? (?:from|number|sender)=")\d*"/, `$1${ALICE}"`)
    return Buffer.from(own)
  }
  return Buffer.from(text.replace(/^<[a-z-]+/, (tag) => tag + disguise))
}

describe('a client that claims to be somebody else', function () {
  this.timeout(120_000)
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Date.now() / 1000))

  it(`is heard under its own number alone, in ${LIES} messages of every kind (seed ${seed})`, async () => {
    const server = await TestServer.start()
    await server.accounts('alice', 'bob', 'mallory')
    await server.befriend(ALICE, BOB)
    await server.befriend(MALLORY, BOB)
    const alice = await server.online('alice')
    const bob = await server.online('bob')
    await server.time.pass(PAUSE_MS)
    alice.forget()
    bob.forget()
    const sampled = { seed, numRuns: LIES / 2 }
    const words = [
      ...fc.sample(clientMessages, sampled).map((message) => encodeClientMessage(message)),
      // What only a server may say.
      ...fc.sample(serverMessages, sampled).map((message) => encodeServerMessage(message)),
    ]
    let mallory: TestClient | undefined
    let heardOfMallory = 0

    for (const [index, word] of words.entries()) {
      if (mallory === undefined || mallory.isClosed) {
        mallory = await server.online('mallory')
        bob.forget()
      }
      const disguise = DISGUISES[index % DISGUISES.length] ?? ''
      await mallory.sayXml(Buffer.from(disguised(word, disguise)).toString())
      // The one thing that does reach Bob, said again and again, so that there is something to be seen.
      await mallory.sayXml(presenceSpoof(index))
      if (index % SAID_BETWEEN_LOOKS !== 0) continue
      await server.time.pass(PAUSE_MS)
      for (const message of bob.heard) {
        for (const number of sendersIn(message)) {
          assert.equal(number, MALLORY, JSON.stringify(message))
          heardOfMallory += 1
        }
      }
      assert.deepEqual(alice.heard.flatMap(sendersIn), [], 'Alice is nobody’s buddy but Bob’s')
      await keepAwake([alice, bob])
    }

    assert.ok(heardOfMallory > 0, 'Bob heard nothing at all')
    assert.ok(!alice.isClosed && !bob.isClosed)
  })
})

function presenceSpoof(index: number): string {
  const state = index % 2 === 0 ? 'away' : 'online'
  return `<set-presence id="${index}" state="${state}" from="${ALICE}" number="${ALICE}" text=""/>`
}

/** They are asked whether they are there, and are; then what they heard is forgotten. */
async function keepAwake(clients: readonly TestClient[]): Promise<void> {
  for (const client of clients) {
    for (const { id } of client.all('ping')) await client.say({ kind: 'pong', id, timeMs: 0 })
    client.forget()
  }
}
