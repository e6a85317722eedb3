import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'mocha'
import { decodeClientMessage, decodeServerMessage } from '../../../src/protocol/server/decode.ts'
import { encodeClientMessage, encodeServerMessage } from '../../../src/protocol/server/encode.ts'
import { clientMessages, serverMessages } from '../../../src/protocol/server/tables.ts'

const page = readFileSync(new URL('../../../docs/protocol/server.md', import.meta.url), 'utf8')

interface Example {
  readonly kind: string
  readonly xml: Uint8Array
}

function examplesBelow(heading: string): readonly Example[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  const matches = section.matchAll(/^### `([a-z-]+)`\n(?:(?!^###)[^])*?```xml\n([^]*?)```/gm)
  return [...matches].map(([, kind = '', xml = '']) => ({ kind, xml: Buffer.from(xml) }))
}

const fromClient = examplesBelow('What a client says')
const fromServer = examplesBelow('What a server says')

describe('docs/protocol/server.md', () => {
  it('shows an example of each message, and of no other', () => {
    assert.deepEqual(fromClient.map(({ kind }) => kind).sort(), Object.keys(clientMessages).sort())
    assert.deepEqual(fromServer.map(({ kind }) => kind).sort(), Object.keys(serverMessages).sort())
  })

  for (const { kind, xml } of fromClient) {
    it(`shows a client's ${kind} as it is decoded and encoded`, () => {
      const decoded = decodeClientMessage(xml)

      assert.ok(decoded.ok, decoded.ok ? '' : decoded.why)
      assert.equal(decoded.value.kind, kind)
      assert.deepEqual(decodeClientMessage(encodeClientMessage(decoded.value)), decoded)
    })
  }

  for (const { kind, xml } of fromServer) {
    it(`shows a server's ${kind} as it is decoded and encoded`, () => {
      const decoded = decodeServerMessage(xml)

      assert.ok(decoded.ok, decoded.ok ? '' : decoded.why)
      assert.equal(decoded.value.kind, kind)
      assert.deepEqual(decodeServerMessage(encodeServerMessage(decoded.value)), decoded)
    })
  }
})
