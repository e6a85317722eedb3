import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { after, instant } from '../../src/core/instant.ts'
import { addressesOf, admitted, hasVanished } from '../../src/daemon/peer-offer.ts'
import { ServerTime } from '../../src/daemon/peer-server-time.ts'
import { StallWatch } from '../../src/daemon/peer-stall.ts'
import { encodeTicket, encodeTicketBody } from '../../src/protocol/relay/ticket.ts'
import type { Candidate } from '../../src/protocol/server/messages.ts'
import type { ConnectionStats } from '../../src/reliable-udp/connection-event.ts'

const start = instant(1000)

function candidate(kind: Candidate['kind'], address: string): Candidate {
  return { kind, endpoint: { family: 4, address, port: 5000 } }
}

const host = candidate('host', '192.168.1.5')
const reflexive = candidate('server-reflexive', '198.51.100.1')

describe('admitted()', () => {
  it('lets through what the policy allows', () => {
    assert.deepEqual(admitted([host, reflexive], 'auto'), [host, reflexive])
    assert.deepEqual(admitted([host, reflexive], 'lan'), [host])
    assert.deepEqual(admitted([host, reflexive], 'relay'), [])
  })
})

describe('hasVanished() and addressesOf()', () => {
  it('tell a move from an addition', () => {
    assert.equal(hasVanished([host], [reflexive, host]), false)
    assert.equal(hasVanished([host, reflexive], [host]), true)
    assert.equal(addressesOf([host, reflexive]), addressesOf([reflexive, host]))
    assert.notEqual(addressesOf([host]), addressesOf([host, reflexive]))
  })
})

describe('ServerTime', () => {
  const ticketEnding = (expiresAtMs: number): Uint8Array =>
    encodeTicket(
      encodeTicketBody({
        relayId: new Uint8Array(8),
        session: new Uint8Array(16),
        identityA: new Uint8Array(32),
        identityB: new Uint8Array(32),
        expiresAtMs,
        quotaBytes: 1,
      }),
      new Uint8Array(64),
    )

  it("puts a ticket's end on our own clock", () => {
    const time = new ServerTime()
    time.set(start, 1_700_000_000_000)

    const endsAt = time.ticketEndsAt(after(start, 500), ticketEnding(1_700_000_060_000))

    assert.equal(endsAt, 61_000)
  })

  it('believes no longer life than ten minutes, and assumes them where nothing is known', () => {
    const time = new ServerTime()
    assert.equal(time.ticketEndsAt(start, ticketEnding(5)), 601_000)
    assert.equal(time.ticketEndsAt(start, new Uint8Array(3)), 601_000)

    time.set(start, 1_700_000_000_000)
    assert.equal(time.ticketEndsAt(start, ticketEnding(1_900_000_000_000)), 601_000)
  })
})

describe('StallWatch', () => {
  const stats = (bytesInFlight: number, smoothedRttMs = 50): ConnectionStats =>
    ({ bytesInFlight, smoothedRttMs }) as ConnectionStats

  /** Looks whenever the watch wants to, until it tells of a stall; how long that took. */
  const stalledAfter = (
    watch: StallWatch,
    look: (at: number) => { readonly stats: ConnectionStats; readonly heard: number },
  ): number | undefined => {
    for (let at = watch.deadline; at !== undefined && at < start + 20_000; at = watch.deadline) {
      const { stats: seen, heard } = look(at - start)
      if (watch.isStalled(at, seen, heard)) return at - start
    }
    return undefined
  }

  it('tells when nothing came back for 1.5 s, or four round trips', () => {
    for (const [rttMs, least] of [
      [50, 1500],
      [600, 2400],
    ] as const) {
      const watch = new StallWatch()
      watch.watch(start, 7)

      const tookMs = stalledAfter(watch, () => ({ stats: stats(100, rttMs), heard: 7 }))

      assert.ok(tookMs !== undefined && tookMs >= least && tookMs < least + 250, String(tookMs))
    }
  })

  it('counts from what was heard last, whenever it began to watch', () => {
    const watch = new StallWatch()
    watch.watch(start, 7)

    const tookMs = stalledAfter(watch, (at) => ({
      stats: stats(100),
      heard: at < 1400 ? 7 + at : 8000,
    }))

    assert.ok(tookMs !== undefined && tookMs >= 2900 && tookMs <= 3150, String(tookMs))
  })

  it('stops when all is acknowledged', () => {
    const watch = new StallWatch()
    watch.watch(start, 7)

    assert.equal(
      stalledAfter(watch, (at) => ({ stats: stats(at < 3000 ? 100 : 0), heard: 7 + at })),
      undefined,
    )
    assert.equal(watch.deadline, undefined)
  })
})
