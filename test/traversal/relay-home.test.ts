import assert from 'node:assert/strict'
import type { Endpoint } from '../../src/core/endpoint.ts'
import { after, type Instant, instant } from '../../src/core/instant.ts'
import type { Relays } from '../../src/protocol/server/messages.ts'
import { BindingServer } from '../../src/stun/binding-server.ts'
import { bindingSocketId } from '../../src/stun/binding-sockets.ts'
import { RelayHome } from '../../src/traversal/relay-home.ts'
import { at } from '../server/support/test-server.ts'
import { SeededRandom } from '../sim/seeded-random.ts'

const OWN = at('198.51.100.1:3478')
const FAR = at('203.0.113.1:3478')
const NEAR = at('192.0.2.1:3478')
const US = at('192.0.2.200:40000')
const SOCKET = bindingSocketId(1, 1)

const relays: Relays = {
  own: new Uint8Array(8).fill(1),
  offers: [FAR, NEAR].map((endpoint, index) => ({
    id: new Uint8Array(8).fill(index + 2),
    endpoint,
    host: endpoint.address,
    tlsPort: 7443,
    pin: new Uint8Array(32).fill(index + 2),
  })),
}
const [far, near] = relays.offers.map(({ id }) => id)

/** Relays at so many milliseconds, answering STUN; who is not in the map is silent. */
class Land {
  readonly home = new RelayHome(new SeededRandom(1))
  now: Instant = instant(0)
  readonly rtts = new Map<Endpoint, number>()
  readonly #mail: { readonly at: Instant; readonly from: Endpoint; readonly bytes: Uint8Array }[] =
    []

  /** Lets so much time pass. */
  pass(ms: number): void {
    const end = after(this.now, ms)
    for (;;) {
      this.#post()
      const next = this.home.pollTimeout()
      const due = [
        ...this.#mail.map(({ at: arrival }) => arrival),
        ...(next === undefined ? [] : [next]),
      ]
      const at = due.length === 0 ? end : (Math.min(...due) as Instant)
      if (at > end) break
      this.now = at > this.now ? at : this.now
      const letters = this.#mail.filter((letter) => letter.at <= this.now)
      for (const letter of letters) {
        this.#mail.splice(this.#mail.indexOf(letter), 1)
        this.home.handleDatagram(this.now, letter.from, letter.bytes)
      }
      this.home.handleTimeout(this.now)
      if (due.length === 0) break
    }
    this.now = end
  }

  #post(): void {
    for (let sent = this.home.pollTransmit(); sent !== undefined; sent = this.home.pollTransmit()) {
      const { to, bytes } = sent
      const rttMs = this.rtts.get(
        [OWN, FAR, NEAR].find(({ address }) => address === to.address) ?? to,
      )
      if (rttMs === undefined) continue
      const server = new BindingServer({ sockets: [{ id: SOCKET, endpoint: to }] })
      server.handleDatagram(this.now, US, bytes, SOCKET)
      const answer = server.pollTransmit()
      assert.ok(answer !== undefined)
      this.#mail.push({ at: after(this.now, rttMs), from: to, bytes: answer.bytes })
    }
  }
}

function settled(own: number | undefined, farMs?: number, nearMs?: number): Land {
  const land = new Land()
  for (const [endpoint, ms] of [
    [OWN, own],
    [FAR, farMs],
    [NEAR, nearMs],
  ] as const) {
    if (ms !== undefined) land.rtts.set(endpoint, ms)
  }
  land.home.setRelays(land.now, OWN, relays)
  land.pass(10_000)
  return land
}

describe('RelayHome', () => {
  it('is the server’s own relay where no other is named, and then asks nobody', () => {
    const home = new RelayHome(new SeededRandom(1))

    home.setRelays(instant(0), OWN, undefined)

    assert.equal(home.chosen, undefined)
    assert.equal(home.pollTransmit(), undefined)
    assert.equal(home.pollTimeout(), undefined)
  })

  it('becomes the nearest', () => {
    assert.equal(settled(80, 40, 20).home.chosen, near)
    assert.equal(settled(80, 20, 40).home.chosen, far)
    assert.equal(settled(10, 40, 60).home.chosen, undefined)
  })

  it('changes only for 10 ms and a third', () => {
    assert.equal(settled(100, 70).home.chosen, undefined)
    assert.equal(settled(12, 3).home.chosen, undefined)
    assert.equal(settled(100, 66).home.chosen, far)
    assert.equal(settled(16, 6).home.chosen, far)
  })

  it('leaves a relay that does not answer any more, at the next measurement', () => {
    const land = settled(80, 40, 20)
    land.rtts.delete(NEAR)

    land.pass(5 * 60_000 + 10_000)

    assert.equal(land.home.chosen, far)
  })

  it('leaves one that gives no channel at once, and for five minutes, though it answers', () => {
    const land = settled(80, 40, 20)
    assert.ok(near !== undefined)

    assert.equal(land.home.unreachable(land.now, near), true)
    assert.equal(land.home.chosen, far)
    land.pass(4 * 60_000)
    assert.equal(land.home.chosen, far)
    land.pass(7 * 60_000)
    assert.equal(land.home.chosen, near)
  })

  it('says that there is nowhere else to go', () => {
    const land = settled(80)

    assert.equal(land.home.unreachable(land.now, relays.own), false)
    assert.equal(land.home.unreachable(land.now, new Uint8Array(8)), false)
  })

  it('tells how a relay is reached inside TLS, but not the server’s own', () => {
    const { home } = settled(80, 40, 20)

    assert.equal(near && home.offer(near)?.host, NEAR.address)
    assert.equal(home.offer(relays.own), undefined)
  })
})
