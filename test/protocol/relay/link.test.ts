import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  formatRelayLink,
  formatTicketKey,
  parseRelayLink,
  parseTicketKey,
  relayIdOf,
} from '../../../src/protocol/relay/link.ts'

const PIN = Buffer.alloc(32, 9)
const pinText = `sha256-${PIN.toString('base64url')}`

describe('parseRelayLink()', () => {
  it('reads what formatRelayLink() writes, of names and of both families', () => {
    for (const host of ['relay.example.org', '192.0.2.1', '2001:db8::1']) {
      const link = { host, port: 443, udpPort: 3478, pin: PIN }

      assert.deepEqual(parseRelayLink(formatRelayLink(link)), { ok: true, value: link })
    }
  })

  it('refuses what lacks the pin, the UDP port, or is a link of a server', () => {
    const bad = [
      `holler://relay.example.org:443?pin=${pinText}&udp=3478`,
      `relay.example.org:443?pin=${pinText}&udp=3478`,
      'holler-relay://relay.example.org:443?udp=3478',
      `holler-relay://relay.example.org:443?pin=${pinText}`,
      `holler-relay://relay.example.org:443?pin=${pinText}&udp=0`,
      `holler-relay://relay.example.org:443?pin=${pinText}&udp=65536`,
      `holler-relay://relay.example.org:443?pin=sha256-short&udp=3478`,
    ]

    for (const text of bad) assert.equal(parseRelayLink(text).ok, false, text)
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseRelayLink(text)
        parseRelayLink(`holler-relay://${text}`)
        parseTicketKey(text)
        parseTicketKey(`ed25519-${text}`)
      }),
    )
  })
})

describe('parseTicketKey()', () => {
  it('reads what formatTicketKey() writes, and nothing shorter or longer', () => {
    const key = Buffer.alloc(32, 200)
    const text = formatTicketKey(key)

    assert.deepEqual(parseTicketKey(text), { ok: true, value: key })
    for (const other of [text.slice(0, -1), `${text}A`, text.slice(8), text.toUpperCase()]) {
      assert.equal(parseTicketKey(other).ok, false, other)
    }
  })
})

describe('relayIdOf()', () => {
  it('is 8 bytes that follow from the pin', () => {
    assert.deepEqual([...relayIdOf(PIN)], Array(8).fill(9))
  })
})
