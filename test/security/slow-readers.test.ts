import assert from 'node:assert/strict'
import { MAX_KEY_LOG_PAGE, type ServerMessage } from '../../src/protocol/server/messages.ts'
import { register } from '../server/support/real-client.ts'
import { testDevice } from '../server/support/test-device.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'

/** At once. CI has 20. */
const READERS = Number(process.env['SLOW_READERS'] ?? 4)

/** To each of them, meanwhile: more than a session may have unacknowledged. */
const MESSAGES = 40
const BODY_BYTES = 1_000

/** Each answer is a page of a key log, some 20 KB: as many questions as an account may ask at once. */
const QUESTIONS = 200

/**
 * `docs/operations.md`: 256 KiB for each that does not read; their mail in the store's memory, and garbage that is not
 * collected yet. Of 20 readers' answers, 80 MB, it would not hold half.
 */
const mostGrowthKib = (readers: number): number => readers * 256 + 40 * 1024

/** Alice's messages to Bob before and during the attack. */
const SAMPLES = 30

/** Of a median, on a machine that is busy with the attackers' own side: a server that waits for one reader takes seconds. */
const MOST_SLOWER_MS = 250

/** The stream of a slow reader is full at once, or after 30 s without progress; its mail is stored after 2 s. */
const STEP_MS = 60_000

type Of<K extends ServerMessage['kind']> = Extract<ServerMessage, { kind: K }>

async function heard<K extends ServerMessage['kind']>(
  client: Intruder,
  kind: K,
  isWanted: (message: Of<K>) => boolean = () => true,
): Promise<Of<K>> {
  const found = await client.next(
    (message) => message.kind === kind && isWanted(message as Of<K>),
    STEP_MS,
  )
  return found as Of<K>
}

function messageIdOf(reader: number, message: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, index) => [reader, message][index] ?? 0)
}

describe(`${READERS} clients that do not read`, function () {
  this.timeout(180_000)
  let siege: Siege
  let carol: Intruder
  let carolsNumber: number
  const readers: { readonly client: Intruder; readonly number: number }[] = []

  before(async () => {
    siege = await Siege.begin()
    const { link } = siege.server
    for (const user of ['carol', ...readerNames()]) await register(link, user, PASSWORD)
    carol = await logInWithManyDevices()
    for (const user of readerNames()) {
      const client = await Intruder.connect(link)
      const welcome = await client.logIn({ user, password: PASSWORD })
      assert.ok(welcome.kind === 'welcome')
      client.say({ kind: 'buddy-request', id: 1, to: 'carol', note: '' })
      const { number } = welcome
      await heard(carol, 'buddy-changed', ({ buddy }) => buddy.number === number)
      carol.say({ kind: 'buddy-accept', id: 1, number })
      const { buddy } = await heard(client, 'buddy-changed', (news) => isAccepted(news))
      carolsNumber = buddy.number
      readers.push({ client, number })
    }
  })

  after(async () => {
    for (const { client } of readers) client.leave()
    carol.leave()
    await siege.end()
  })

  function readerNames(): readonly string[] {
    return Array.from({ length: READERS }, (_, index) => `reader-${index}`)
  }

  /** Each device is an entry of her key log, so that a short question has a long answer. */
  async function logInWithManyDevices(): Promise<Intruder> {
    let last: Intruder | undefined
    for (let device = 0; device < MAX_KEY_LOG_PAGE; device++) {
      last?.leave()
      const credentials = { user: 'carol', password: PASSWORD, device: testDevice(`c${device}`) }
      last = await Intruder.logIn(siege.server.link, credentials)
    }
    assert.ok(last !== undefined)
    return last
  }

  async function medianMs(): Promise<number> {
    const times: number[] = []
    for (let sample = 0; sample < SAMPLES; sample++) {
      const start = performance.now()
      await siege.stillServes()
      times.push(performance.now() - start)
    }
    return times.sort((a, b) => a - b)[SAMPLES >> 1] ?? 0
  }

  function cut(): number {
    const { lines } = siege.server.program.stderr
    return lines.filter((line) => /session ended.*does not read/.test(line)).length
  }

  it('are cut, while others talk as before and the server keeps no more than 256 KiB of each', async () => {
    const beforeMs = await medianMs()
    const before = await siege.consumption()

    for (const { client } of readers) {
      client.stream.pause()
      for (let id = 2; id < 2 + QUESTIONS; id++) {
        client.say({ kind: 'key-log', id, of: carolsNumber, after: 0 })
      }
    }
    for (const [reader, { number }] of readers.entries()) {
      for (let message = 0; message < MESSAGES; message++) {
        const [id, messageId] = [2 + reader * MESSAGES + message, messageIdOf(reader, message)]
        carol.say({ kind: 'send', id, to: number, messageId, body: Buffer.alloc(BODY_BYTES) })
      }
    }
    const duringMs = await medianMs()
    const { stderr } = siege.server.program
    await stderr.waiters.until(
      () => (cut() === READERS ? true : undefined),
      STEP_MS,
      () => `${cut()} of ${READERS} were cut${siege.server.program.logTail()}`,
    )

    const grownKib = (await siege.consumption()).residentKib - before.residentKib
    assert.ok(duringMs < beforeMs + MOST_SLOWER_MS, `${beforeMs} ms before, ${duringMs} ms during`)
    assert.ok(grownKib < mostGrowthKib(READERS), `${grownKib} KiB more`)
    await siege.stillServes()
  })

  it('find their mail when they come back and read', async () => {
    const accepted = new Set<number>()
    while (accepted.size < READERS * MESSAGES) accepted.add((await heard(carol, 'accepted')).id)
    assert.equal(
      carol.heard.some(({ kind }) => kind === 'error'),
      false,
    )

    for (const [reader, user] of readerNames().entries()) {
      const again = await Intruder.logIn(siege.server.link, { user, password: PASSWORD })
      const found = new Set<string>()
      while (found.size < MESSAGES) {
        const { seq, messageId } = await heard(again, 'deliver')
        found.add(Buffer.from(messageId).toString('hex'))
        again.say({ kind: 'ack', seqs: [seq] })
      }
      again.leave()
      const sent = Array.from({ length: MESSAGES }, (_, message) =>
        Buffer.from(messageIdOf(reader, message)).toString('hex'),
      )
      assert.deepEqual([...found].sort(), sent.sort())
    }
  })
})

function isAccepted({ buddy }: Of<'buddy-changed'>): boolean {
  return buddy.state === 'accepted'
}
