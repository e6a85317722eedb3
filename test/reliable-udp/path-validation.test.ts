import { strict as assert } from 'node:assert'
import { toHex } from '../../src/core/bytes.ts'
import { instant } from '../../src/core/instant.ts'
import { socketNamed } from '../../src/core/machine.ts'
import type { Path } from '../../src/reliable-udp/path.ts'
import { PathValidation } from '../../src/reliable-udp/path-validation.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const PTO = 100
const home: Path = { to: { family: 4, address: '192.0.2.1', port: 1000 } }
const otherPort: Path = { to: { family: 4, address: '192.0.2.1', port: 2000 } }
const elsewhere: Path = { to: { family: 4, address: '203.0.113.9', port: 1000 } }
const relayed: Path = { ...home, via: socketNamed('relay:1') }

function validation(isPinned: boolean): PathValidation {
  return new PathValidation(new SeededRandom(1), home, isPinned)
}

/** A packet with data in it, newer than all before. */
function arrive(paths: PathValidation, from: Path, bytes = 1200, at = 0): void {
  paths.handlePacket(instant(at), from, bytes, true, false)
}

describe('PathValidation', () => {
  it('challenges an address that it follows, and moves when the answer comes', () => {
    const paths = validation(false)
    arrive(paths, elsewhere)

    const probe = paths.pollProbe(instant(0), PTO)

    assert.ok(probe?.kind === 'challenge')
    assert.deepEqual([probe.path, probe.bytes], [elsewhere, 1200])
    assert.deepEqual(paths.current, home, 'until then nothing changes')
    assert.deepEqual(paths.handleResponse(probe.data), { path: elsewhere, isRebinding: false })
    assert.deepEqual(paths.current, elsewhere)
    assert.equal(paths.deadline, undefined)
  })

  it('tells a rebinding from another path', () => {
    const paths = validation(false)
    arrive(paths, otherPort)
    const probe = paths.pollProbe(instant(0), PTO)

    assert.equal(paths.handleResponse(probe?.data ?? new Uint8Array(8))?.isRebinding, true)
  })

  it('stays where it was told to be, but for another port of the same address', () => {
    const paths = validation(true)
    arrive(paths, elsewhere)
    arrive(paths, relayed)
    assert.equal(paths.hasProbe, false)

    arrive(paths, otherPort)
    assert.equal(paths.hasProbe, true)
  })

  it('stays once it was told a path', () => {
    const paths = validation(false)
    arrive(paths, elsewhere)
    paths.moveTo(relayed)
    arrive(paths, elsewhere)

    assert.equal(paths.hasProbe, false)
    assert.deepEqual(paths.current, relayed)
  })

  it('is not moved by old packets, nor by probes', () => {
    const paths = validation(false)
    paths.handlePacket(instant(0), elsewhere, 1200, false, false)
    paths.handlePacket(instant(0), elsewhere, 1200, true, true)

    assert.equal(paths.hasProbe, false)
  })

  it('sends no more than three times what came from an address that has not answered', () => {
    const paths = validation(false)
    arrive(paths, elsewhere, 100)
    assert.equal(paths.pollProbe(instant(0), PTO)?.bytes, 300)

    paths.handleTimeout()
    assert.equal(paths.pollProbe(instant(100), PTO), undefined)
    arrive(paths, elsewhere, 1200, 150)
    paths.handleTimeout()
    assert.equal(paths.pollProbe(instant(200), PTO)?.bytes, 1200)
  })

  it('gives up after three challenges', () => {
    const paths = validation(false)
    arrive(paths, elsewhere)
    let challenges = 0
    for (let at = 0; paths.deadline !== undefined; at += PTO) {
      paths.handleTimeout()
      if (paths.pollProbe(instant(at), PTO) !== undefined) challenges += 1
    }

    assert.equal(challenges, 3)
    assert.deepEqual(paths.current, home)
  })

  it('does not take another answer for its own', () => {
    const paths = validation(false)
    arrive(paths, elsewhere)
    paths.pollProbe(instant(0), PTO)

    assert.equal(paths.handleResponse(new Uint8Array(8)), undefined)
    assert.deepEqual(paths.current, home)
  })

  it('answers a challenge where it came from, as long as it was; of several at once only the last', () => {
    const paths = validation(true)
    for (let i = 0; i < 6; i++) paths.handleChallenge(elsewhere, new Uint8Array(8).fill(i), 600)

    const answer = paths.pollProbe(instant(0), PTO)

    assert.ok(answer?.kind === 'response')
    assert.deepEqual(
      [answer.path, answer.bytes, toHex(answer.data)],
      [elsewhere, 600, '05'.repeat(8)],
    )
    assert.equal(paths.pollProbe(instant(0), PTO), undefined)
  })

  it('pays answers out of the same three times', () => {
    const paths = validation(false)
    let sent = 0
    for (let packet = 0; packet < 4; packet++) {
      paths.handleChallenge(elsewhere, new Uint8Array(8), 1200)
      arrive(paths, elsewhere, 1200, packet)
      for (let at = 0; at < 2000 && (paths.hasProbe || paths.deadline !== undefined); at += PTO) {
        sent += paths.pollProbe(instant(at), PTO)?.bytes ?? 0
        sent += paths.pollProbe(instant(at), PTO)?.bytes ?? 0
        paths.handleTimeout()
      }
      assert.ok(sent <= 3 * 1200 * (packet + 1), `${sent} after ${packet + 1}`)
    }
  })
})
