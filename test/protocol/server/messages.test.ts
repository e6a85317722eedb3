import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { HollerError } from '../../../src/core/holler-error.ts'
import {
  decodeClientMessage,
  type DecodedMessage,
  decodeServerMessage,
  UNKNOWN_MESSAGE,
} from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage, encodeServerMessage } from '../../../src/protocol/server/encode.ts'
import type {
  ClientMessage,
  PresenceEntry,
  RosterEntry,
  ServerMessage,
} from '../../../src/protocol/server/messages.ts'
import { presencePages, rosterPages } from '../../../src/protocol/server/pages.ts'
import { clientMessages, serverMessages } from '../support/arbitrary-messages.ts'
import { readWithSaxes } from '../support/saxes-oracle.ts'

function fromClient(xml: string): DecodedMessage<ClientMessage> {
  return decodeClientMessage(Buffer.from(xml))
}

function fromServer(xml: string): DecodedMessage<ServerMessage> {
  return decodeServerMessage(Buffer.from(xml))
}

function assertRefused(xml: string, why: string): void {
  const result = fromClient(xml)
  assert.ok(!result.ok)
  assert.equal(result.why, why)
}

function isCoded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HollerError && error.code === code
}

const key = Buffer.alloc(32).toString('base64')
const introduce = `id="1" to="10002" session="${Buffer.alloc(16).toString('base64')}" answer="false" probe-key="${key}"`

// The widest text that XML makes of 280 characters, and the widest handle.
const widestText = '"'.repeat(280)
const widestHandle = '"'.repeat(64)
const device = {
  identity: new Uint8Array(32),
  static: new Uint8Array(32),
  staticSignature: new Uint8Array(64),
}

describe('encodeClientMessage() and decodeClientMessage()', () => {
  it('give every message back', () => {
    fc.assert(
      fc.property(clientMessages, (message) => {
        const decoded = decodeClientMessage(encodeClientMessage(message))

        assert.deepEqual(structuredClone(decoded), { ok: true, value: message })
      }),
      { numRuns: 500 },
    )
  })

  it('write what an independent parser takes for well-formed', () => {
    fc.assert(
      fc.property(clientMessages, (message) => {
        const root = readWithSaxes(Buffer.from(encodeClientMessage(message)).toString())

        assert.equal(root.name, message.kind)
      }),
    )
  })

  it('never throw on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        decodeClientMessage(bytes)
        decodeServerMessage(bytes)
      }),
    )
  })

  it('never throw on a damaged message', () => {
    fc.assert(
      fc.property(clientMessages, fc.nat(), fc.nat(255), (message, at, byte) => {
        const bytes = Uint8Array.from(encodeClientMessage(message))
        bytes[at % bytes.length] = byte
        decodeClientMessage(bytes)
        decodeServerMessage(bytes)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('encodeServerMessage() and decodeServerMessage()', () => {
  it('give every message back', () => {
    fc.assert(
      fc.property(serverMessages, (message) => {
        const decoded = decodeServerMessage(encodeServerMessage(message))

        assert.deepEqual(structuredClone(decoded), { ok: true, value: message })
      }),
      { numRuns: 500 },
    )
  })

  it('write what an independent parser takes for well-formed', () => {
    fc.assert(
      fc.property(serverMessages, (message) => {
        const root = readWithSaxes(Buffer.from(encodeServerMessage(message)).toString())

        assert.equal(root.name, message.kind)
      }),
    )
  })
})

describe('decodeClientMessage()', () => {
  it('ignores attributes and elements that it does not know', () => {
    const decoded = fromClient('<ping id="7" mood="good"><colour name="blue"/> some text </ping>')

    assert.deepEqual(decoded, { ok: true, value: { kind: 'ping', id: 7 } })
  })

  it('tells an unknown message from a malformed one, with its id where it has one', () => {
    const withId = fromClient('<teleport id="7"/>')
    const without = fromClient('<teleport/>')

    assert.deepEqual(withId, { ok: false, why: `${UNKNOWN_MESSAGE} "teleport"`, id: 7 })
    assert.deepEqual(without, { ok: false, why: `${UNKNOWN_MESSAGE} "teleport"` })
  })

  it('tells the id of a malformed request, so that the answer can name it', () => {
    assert.deepEqual(fromClient('<buddy-accept id="9"/>'), {
      ok: false,
      why: '<buddy-accept> without number',
      id: 9,
    })
  })

  it('does not let a client speak for the server', () => {
    for (const kind of ['welcome', 'roster', 'presence', 'introduced', 'buddy-changed', 'ok']) {
      assertRefused(`<${kind}/>`, `${UNKNOWN_MESSAGE} "${kind}"`)
    }
  })

  it('knows no message by a name of JavaScript', () => {
    assertRefused('<valueof/>', `${UNKNOWN_MESSAGE} "valueof"`)
    assert.equal(fromClient('<constructor/>').ok, false)
  })

  it('refuses numbers in any form but the plain one', () => {
    const forms = ['', '0', '-1', '+1', '01', '1.0', '1e5', '0x10', ' 1', '1 ', '4294967296', '٣']
    for (const id of [...forms, '9'.repeat(400), 'NaN', 'Infinity', '1,000', '1_000']) {
      assertRefused(`<ping id="${id}"/>`, 'id out of bounds')
    }
    assertRefused('<buddy-accept id="1" number="9007199254740992"/>', 'number out of bounds')
  })

  it('refuses flags and words that it does not know', () => {
    assertRefused(`<introduce ${introduce.replace('false', 'yes')}/>`, 'answer out of bounds')
    assertRefused('<set-presence id="1" state="offline" text=""/>', 'state out of bounds')
    assertRefused('<set-presence id="1" state="toString" text=""/>', 'state out of bounds')
  })

  it('refuses base64 that is not canonical or of another length', () => {
    for (const session of [
      '',
      'AAAA',
      'AAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAAAB==',
      '!',
      'A'.repeat(60_000),
    ]) {
      assertRefused(
        `<introduce ${introduce.replace(/session="[^"]*"/, `session="${session}"`)}/>`,
        'session out of bounds',
      )
    }
  })

  it('refuses addresses that are not canonical literals, and port 0', () => {
    const addresses = [
      'localhost',
      '192.168.1',
      '192.168.1.020',
      '0x7f.1',
      '::ffff:192.0.2.1',
      '2001:DB8::1',
      'fe80::1%eth0',
      '[::1]',
      '',
    ]
    for (const ip of addresses) {
      assertRefused(
        `<introduce ${introduce}><candidate kind="host" ip="${ip}" port="1"/></introduce>`,
        'ip out of bounds',
      )
    }
    for (const port of ['0', '65536', '-1']) {
      assertRefused(
        `<introduce ${introduce}><candidate kind="host" ip="192.0.2.1" port="${port}"/></introduce>`,
        'port out of bounds',
      )
    }
  })

  it('refuses lists beyond their limit, and single elements given twice', () => {
    const candidate = '<candidate kind="host" ip="192.0.2.1" port="1"/>'
    assert.ok(fromClient(`<introduce ${introduce}>${candidate.repeat(10)}</introduce>`).ok)
    assertRefused(
      `<introduce ${introduce}>${candidate.repeat(11)}</introduce>`,
      'more than 10 <candidate>',
    )
    const keys = `<device identity="${key}" static="${key}" static-signature=""/>`
    assertRefused(
      `<hello version="1" client="x" scram="x">${keys}${keys}</hello>`,
      '<device> given twice',
    )
  })

  it('bounds what is said of a NAT', () => {
    const said = (nat: string): string => `<introduce ${introduce}><nat ${nat}/></introduce>`
    const cone = 'mapping="endpoint-independent" filtering="unknown" pooled="false"'
    assert.ok(fromClient(said(`${cone} ports="sequential" step="-256"`)).ok)
    for (const [rest, reason] of [
      ['', 'without ports'],
      ['ports="sequential"', 'without step'],
      ['ports="sequential" step="0"', 'step out of bounds'],
      ['ports="sequential" step="257"', 'step out of bounds'],
      ['ports="random"', 'without low'],
      ['ports="random" low="0" high="9"', 'low out of bounds'],
      ['ports="block" low="9" high="8"', 'from high to low'],
      ['ports="preserve" depth="17"', 'depth out of bounds'],
    ] as const) {
      const result = fromClient(said(`${cone} ${rest}`))
      assert.ok(!result.ok && result.why.includes(reason), rest)
    }
  })

  it('refuses texts that are too long, and names of more than one line', () => {
    assertRefused(
      `<buddy-request id="1" to="bob" note="${'x'.repeat(281)}"/>`,
      'note out of bounds',
    )
    assertRefused(`<buddy-request id="1" to="${'x'.repeat(65)}" note=""/>`, 'to out of bounds')
    assertRefused('<buddy-request id="1" to="" note=""/>', 'to out of bounds')
    assertRefused('<buddy-request id="1" to="a&#10;b" note=""/>', 'to out of bounds')
  })
})

describe('decodeServerMessage()', () => {
  it('takes a goodbye it was not taught for malformed', () => {
    assert.deepEqual(fromServer('<goodbye reason="bored" retry-after-ms="0"/>'), {
      ok: false,
      why: 'reason out of bounds',
    })
  })
})

describe('encodeClientMessage()', () => {
  it('sends what XML cannot carry in a note as U+FFFD', () => {
    const note = 'a\0b\u001bc\ud800d\ufffee\r\nf\u{1F600}'
    const decoded = decodeClientMessage(
      encodeClientMessage({ kind: 'buddy-request', id: 1, to: 'bob', note }),
    )

    assert.ok(decoded.ok && decoded.value.kind === 'buddy-request')
    assert.equal(decoded.value.note, 'a\ufffdb\ufffdc\ufffdd\ufffde\r\nf\u{1F600}')
  })

  it('refuses names that XML cannot carry, and whatever is out of bounds', () => {
    const refused: readonly ClientMessage[] = [
      { kind: 'buddy-request', id: 1, to: 'a\0b', note: '' },
      { kind: 'buddy-request', id: 1, to: 'a\ud800b', note: '' },
      { kind: 'buddy-request', id: 1, to: '', note: '' },
      { kind: 'buddy-request', id: 1, to: 'bob', note: 'x'.repeat(281) },
      { kind: 'ping', id: 0 },
      { kind: 'ping', id: 1.5 },
      { kind: 'ping', id: Number.NaN },
      { kind: 'pong', id: 1, timeMs: -1 },
      { kind: 'response', scram: 'x', deviceSignature: new Uint8Array(63) },
    ]
    for (const message of refused) {
      assert.throws(() => encodeClientMessage(message), isCoded('INVALID_PARAMS'))
    }
  })

  it('refuses a list beyond its limit', () => {
    const localAddresses = Array.from({ length: 17 }, () => '192.0.2.1')

    assert.throws(
      () =>
        encodeClientMessage({
          kind: 'report',
          id: 1,
          localAddresses,
          publicEndpoints: [],
          udpPort: 0,
          tcpPort: 0,
        }),
      isCoded('INVALID_PARAMS'),
    )
  })
})

describe('encodeServerMessage()', () => {
  it('cuts the text of an error rather than not to tell it', () => {
    const text = 'x'.repeat(279) + '\u{1F600}'
    const decoded = decodeServerMessage(
      encodeServerMessage({ kind: 'error', code: 'malformed', text }),
    )

    assert.ok(decoded.ok && decoded.value.kind === 'error')
    assert.equal(decoded.value.text, 'x'.repeat(279) + '\ufffd')
  })
})

describe('rosterPages()', () => {
  it('cuts a list into pages that fit into a frame, whatever the texts are', () => {
    const buddies = Array.from({ length: 200 }, (_, index): RosterEntry => {
      const facts = { group: widestHandle, remark: widestText, isConcealed: true } as const
      return {
        number: 2 ** 52 + index,
        handle: widestHandle,
        state: 'pending-out',
        device,
        ...facts,
      }
    })

    const pages = rosterPages(buddies)

    assert.deepEqual(
      pages.map(({ page }) => page),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    )
    assert.deepEqual(
      pages.filter(({ isLast }) => isLast),
      [pages.at(-1)],
    )
    assert.deepEqual(
      pages.flatMap((page) => page.buddies),
      buddies,
    )
    for (const page of pages) assert.ok(encodeServerMessage(page).length < 80 * 1024)
  })

  it('makes one empty page of an empty list', () => {
    assert.deepEqual(rosterPages([]), [{ kind: 'roster', page: 0, isLast: true, buddies: [] }])
  })
})

describe('presencePages()', () => {
  it('cuts a snapshot so that the first message is the snapshot and the others add to it', () => {
    const entries = Array.from({ length: 70 }, (_, index): PresenceEntry => {
      return { number: 2 ** 52 + index, state: 'invisible', text: widestText }
    })

    const pages = presencePages(entries, true)

    assert.deepEqual(
      pages.map(({ isSnapshot }) => isSnapshot),
      [true, false, false],
    )
    assert.deepEqual(
      pages.flatMap((page) => page.entries),
      entries,
    )
    for (const page of pages) assert.ok(encodeServerMessage(page).length < 58 * 1024)
  })

  it('marks no change as a snapshot', () => {
    assert.deepEqual(presencePages([], false), [
      { kind: 'presence', isSnapshot: false, entries: [] },
    ])
  })
})
