import assert from 'node:assert/strict'
import { decodeClientMessage } from '../../src/protocol/server/decode.ts'
import { MAX_FRAME_BYTES } from '../../src/tcp/frame.ts'
import { register } from '../server/support/real-client.ts'
import { Intruder } from './support/intruder.ts'
import { PASSWORD, Siege } from './support/siege.ts'
import { xmlBombs } from './support/xml-bombs.ts'

const bombs = xmlBombs().filter(({ bytes }) => bytes.length <= MAX_FRAME_BYTES)

/** The whole of a connection is in it: a TLS handshake is 2 ms, a login 3. A bomb that works costs seconds. */
const MOST_CPU_MS_EACH = 50

/** So much may a heap of garbage grow before it is collected. A bomb that works takes gigabytes. */
const MOST_GROWTH_KIB = 96 * 1024

/** After so many, the two who talk are asked whether they noticed. */
const CHECK_EVERY = 50

describe('XML bombs', function () {
  this.timeout(120_000)
  let siege: Siege

  before(async () => {
    siege = await Siege.begin()
    await register(siege.server.link, 'mallory', PASSWORD)
  })

  after(() => siege.end())

  it('are more than 200, and none of them is a message', () => {
    assert.ok(bombs.length >= 200, String(bombs.length))
    assert.equal(new Set(bombs.map(({ name }) => name)).size, bombs.length)
    for (const { name, bytes } of bombs) assert.ok(!decodeClientMessage(bytes).ok, name)
  })

  const phases: readonly (readonly [string, () => Promise<Intruder>])[] = [
    ['before the login', () => Intruder.connect(siege.server.link)],
    ['after it', () => Intruder.logIn(siege.server.link, { user: 'mallory', password: PASSWORD })],
  ]

  for (const [when, arrive] of phases) {
    it(`are hung up on ${when}, and cost nobody anything`, async () => {
      await siege.stillServes()
      const before = await siege.consumption()

      for (const [index, { name, bytes }] of bombs.entries()) {
        const intruder = await arrive()
        intruder.sayDocument(bytes)
        await intruder.hungUpOn(name)
        if (index % CHECK_EVERY === 0) await siege.stillServes()
      }

      await siege.stillServes()
      const after = await siege.consumption()
      const cpuMs = (after.cpuMs - before.cpuMs) / bombs.length
      const grownKib = after.residentKib - before.residentKib
      assert.ok(cpuMs < MOST_CPU_MS_EACH, `${cpuMs} ms each`)
      assert.ok(grownKib < MOST_GROWTH_KIB, `${grownKib} KiB more`)
    })
  }
})
