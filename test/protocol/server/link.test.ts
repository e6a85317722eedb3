import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import {
  formatServerLink,
  parseServerLink,
  type ServerLinkAddress,
} from '../../../src/protocol/server/link.ts'
import { bytes } from '../support/arbitrary-messages.ts'

const pin = Uint8Array.from({ length: 32 }, (_, index) => index)
const pinText = 'sha256-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

function parsed(text: string): ServerLinkAddress {
  const link = parseServerLink(text)
  assert.ok(link.ok, link.ok ? '' : link.why)
  return link.value
}

describe('parseServerLink()', () => {
  it('reads host, port and pin', () => {
    const link = parsed(`holler://chat.example.org:8443?pin=${pinText}`)

    assert.deepEqual(link.host, 'chat.example.org')
    assert.equal(link.port, 8443)
    assert.deepEqual(Uint8Array.from(link.pin ?? []), pin)
  })

  it('fills in what may be left out', () => {
    const link = { host: 'chat.example.org', port: 7443 }

    assert.deepEqual(parsed('holler://chat.example.org'), link)
    assert.deepEqual(parsed('chat.example.org'), link)
    assert.deepEqual(parsed('HOLLER://Chat.Example.ORG/'), link)
    assert.deepEqual(parsed(' chat.example.org:7443\n'), link)
    assert.deepEqual(parsed('192.0.2.1:1'), { host: '192.0.2.1', port: 1 })
    assert.deepEqual(parsed('holler://[2001:db8::1]'), { host: '2001:db8::1', port: 7443 })
  })

  it('ignores what it does not know', () => {
    assert.deepEqual(parsed('holler://a?colour=blue'), { host: 'a', port: 7443 })
  })

  it('refuses everything else', () => {
    const refused = [
      '',
      'https://chat.example.org',
      'holler://',
      'holler://user@host',
      'holler://host:0',
      'holler://host:65536',
      'holler://host:',
      'holler://host:1:2',
      'holler://host/path',
      'holler://ho st',
      'holler://hôst',
      'holler://2001:db8::1',
      'holler://[192.0.2.1]',
      'holler://[:::]',
      `holler://${'a'.repeat(254)}`,
      `holler://a?${'b'.repeat(512)}`,
      'holler://a?pin=',
      'holler://a?pin=sha1-AAAA',
      `holler://a?pin=${pinText}=`,
      `holler://a?pin=${pinText.slice(0, -1)}`,
      `holler://a?pin=${pinText.slice(0, -1)}9`, // bits beyond the 32 bytes
    ]
    for (const text of refused) assert.equal(parseServerLink(text).ok, false, text)
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        parseServerLink(text)
        parseServerLink(`holler://${text}`)
      }),
    )
  })
})

describe('formatServerLink()', () => {
  it('writes what parseServerLink() reads back', () => {
    const hosts = fc.oneof(
      fc.domain().filter((host) => host.length < 200),
      fc.ipV4(),
      fc.ipV6().map((address) => address.toLowerCase()),
    )
    fc.assert(
      fc.property(hosts, fc.integer({ min: 1, max: 65535 }), bytes(32), (host, port, pin) => {
        const link = { host: host.toLowerCase(), port, pin }

        assert.deepEqual(structuredClone(parsed(formatServerLink(link))), link)
      }),
    )
  })
})
