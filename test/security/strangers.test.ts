import assert from 'node:assert/strict'
import type { AccountNumber, ClientMessage } from '../../src/protocol/server/messages.ts'
import { register } from '../server/support/real-client.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** Nobody has it. */
const NOBODY: AccountNumber = 99_999

/** What the server says of one account to somebody who is nobody's buddy: the bytes, without what the asker has said. */
type Told = readonly string[]

/** Everything that can be asked about somebody by number. What is only for buddies must not tell who is one, or there. */
function questionsAbout(number: AccountNumber): readonly ClientMessage[] {
  const id = 7
  const introduce = {
    ...({ kind: 'introduce', id, to: number, session: new Uint8Array(16) } as const),
    ...{ probeKey: new Uint8Array(32), candidates: [] },
  }
  const messageId = new Uint8Array(16)
  return [
    { kind: 'send', id, to: number, messageId, body: new Uint8Array(40) },
    { kind: 'withdraw', id, to: number, messageIds: [messageId] },
    { kind: 'get-profile', id, of: number },
    { kind: 'locate', id, of: number },
    { kind: 'take-keys', id, of: number, count: 1 },
    { kind: 'key-log', id, of: number, after: 0 },
    { ...introduce, isAnswer: false },
    { ...introduce, isAnswer: true },
    { kind: 'buddy-accept', id, number },
    { kind: 'buddy-reject', id, number },
    { kind: 'buddy-remove', id, number },
    { kind: 'buddy-move', id, number, group: 'friends' },
    { kind: 'buddy-note', id, number, note: 'who are you?' },
    { kind: 'buddy-conceal', id, number, isConcealed: true },
  ]
}

describe('a stranger over a real connection', function () {
  this.timeout(120_000)
  let siege: Siege
  let mallory: Intruder
  let mallorysNumber: AccountNumber
  const present: Intruder[] = []

  before(async () => {
    siege = await Siege.begin()
    for (const user of ['mallory', 'offline', 'invisible', 'blocker']) {
      await register(siege.server.link, user, PASSWORD)
    }
    ;({ client: mallory, number: mallorysNumber } = await logIn('mallory'))
  })

  after(async () => {
    for (const client of [mallory, ...present]) client.leave()
    await siege.end()
  })

  async function logIn(user: string): Promise<{ client: Intruder; number: AccountNumber }> {
    const client = await Intruder.connect(siege.server.link)
    const welcome = await client.logIn({ user, password: PASSWORD })
    assert.ok(welcome.kind === 'welcome')
    return { client, number: welcome.number }
  }

  async function answer(client: Intruder, message: ClientMessage): Promise<string> {
    const before = client.frames.length
    client.say(message)
    await client.next((heard) => 'id' in heard && heard.kind !== 'ping' && heard.kind !== 'pong')
    const frames = client.frames.slice(before).map((frame) => Buffer.from(frame).toString())
    return frames.filter((frame) => !frame.startsWith('<ping')).join('\n')
  }

  async function toldOf(number: AccountNumber): Promise<Told> {
    const told: string[] = []
    for (const question of questionsAbout(number)) {
      const said = await answer(mallory, question)
      told.push(`${question.kind}: ${said.replaceAll(String(number), 'NUMBER')}`)
    }
    return told
  }

  it('is told the same bytes of somebody online, offline, invisible, who has blocked them, and of nobody', async () => {
    const { client: invisible, number: invisiblesNumber } = await logIn('invisible')
    const { client: blocker, number: blockersNumber } = await logIn('blocker')
    const { client: offline, number: offlinesNumber } = await logIn('offline')
    present.push(invisible, blocker)
    assert.match(
      await answer(invisible, { kind: 'set-presence', id: 1, state: 'invisible', text: '' }),
      /<ok /,
    )
    assert.match(
      await answer(blocker, { kind: 'buddy-block', id: 1, number: mallorysNumber }),
      /blocked/,
    )
    await blocker.next(({ kind }) => kind === 'buddy-changed')
    offline.leave()

    const ofOnline = await toldOf(siege.bobsNumber)

    assert.equal(ofOnline.length, questionsAbout(0).length)
    for (const told of ofOnline) assert.match(told, /^(withdraw: <ok |[a-z-]+: <error )/)
    assert.deepEqual(await toldOf(invisiblesNumber), ofOnline)
    assert.deepEqual(await toldOf(blockersNumber), ofOnline)
    assert.deepEqual(await toldOf(offlinesNumber), ofOnline)
    assert.deepEqual(await toldOf(NOBODY), ofOnline)
  })

  it('is told nothing unasked, and those who were asked about hear nothing', async () => {
    await siege.stillServes()

    const told = mallory.heard.filter(({ kind }) => kind !== 'ping' && kind !== 'error')
    const arrival = ['roster', 'presence', 'keys-left']
    assert.deepEqual(
      told.filter(({ kind }) => !arrival.includes(kind)),
      [],
    )
    for (const client of present) {
      const heard = client.heard.filter(({ kind }) => !['ping', ...arrival].includes(kind))
      assert.deepEqual(
        heard.filter((message) => JSON.stringify(message).includes(String(mallorysNumber))),
        [],
      )
    }
  })
})
