import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, it } from 'mocha'
import { HollerError } from '../../../src/core/holler-error.ts'
import { readXml, writeXml, type XmlElement } from '../../../src/protocol/server/xml.ts'
import { refusedDocuments } from '../support/refused-documents.ts'
import { readWithSaxes } from '../support/saxes-oracle.ts'
import { note, plainRecord } from '../support/arbitrary-messages.ts'

function read(document: string): XmlElement {
  const result = readXml(Buffer.from(document))
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.value
}

function element(
  name: string,
  attributes: Readonly<Record<string, string>> = {},
  children: readonly XmlElement[] = [],
): XmlElement {
  return { name, attributes: new Map(Object.entries(attributes)), children }
}

const names = fc.stringMatching(/^[b-np-z][a-z0-9-]{0,10}$/) // not the names that the parser reserves

const { tree: trees } = fc.letrec<{ tree: XmlElement }>((tie) => ({
  tree: plainRecord({
    name: names,
    attributes: fc
      .uniqueArray(fc.tuple(names, note), { maxLength: 5, selector: ([name]) => name })
      .map((entries) => new Map(entries)),
    children: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constant<XmlElement[]>([]),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }),
}))

describe('readXml()', () => {
  it('reads elements, attributes and nothing else', () => {
    const root = read('<a x="1" y=\'"\'>\n text <b/> <c z="&lt;&#65;&#x1F600;&#13;"></c>\n</a>\n')

    assert.deepEqual(
      root,
      element('a', { x: '1', y: '"' }, [element('b'), element('c', { z: '<A\u{1F600}\r' })]),
    )
  })

  it('keeps values as they are: no number, no boolean, no trimming', () => {
    const root = read('<a b="007" c="1e5" d="0x1F" e="true" f="  x  " g=""/>')

    assert.deepEqual([...root.attributes.values()], ['007', '1e5', '0x1F', 'true', '  x  ', ''])
  })

  it('takes what is just inside the limits', () => {
    const attributes = Array.from({ length: 16 }, (_, index) => ` a${index}="1"`).join('')

    read(`${'<a>'.repeat(8)}${'</a>'.repeat(8)}`)
    read(`<a${attributes}/>`)
    read(`<a>${'<b/>'.repeat(511)}</a>`)
    read(`<a b="${'x'.repeat(98_304 - 9)}"/>`)
    read(`<a b="${'&lt;'.repeat(16_000)}"/>`)
  })

  it('keeps to a smaller limit where it is given one', () => {
    assert.deepEqual(readXml(Buffer.from('<a b="1"/>'), { bytes: 9 }), {
      ok: false,
      why: 'document too long',
    })
    assert.deepEqual(readXml(Buffer.from('<a><b/><b/></a>'), { elements: 2 }), {
      ok: false,
      why: 'too many elements',
    })
  })

  it('goes on decoding references however many documents came before', () => {
    for (let count = 0; count < 20_000; count++) {
      assert.ok(readXml(Buffer.from('<a b="&lt;&amp;&#65;&quot;"/>')).ok)
    }
  })

  it('leaves the prototypes of JavaScript alone', () => {
    for (const { bytes } of refusedDocuments) readXml(bytes)

    assert.equal(Object.keys(Object.prototype).length, 0)
    assert.equal(({} as Record<string, unknown>)['id'], undefined)
  })

  it('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readXml(bytes)
      }),
    )
  })

  it('reads of a damaged document what an independent parser reads, or refuses it', () => {
    const changes = fc.tuple(
      fc.nat(),
      fc.constantFrom(...Array.from('<>/="\'& ax;#!-?]\n')),
      fc.nat(2),
    )
    fc.assert(
      fc.property(trees, fc.array(changes, { minLength: 1, maxLength: 4 }), (tree, edits) => {
        let document = Buffer.from(writeXml(tree)).toString()
        for (const [at, character, removed] of edits) {
          const place = at % (document.length + 1)
          document = document.slice(0, place) + character + document.slice(place + removed)
        }
        document = Buffer.from(document).toString() // an edit may have cut a surrogate pair

        const result = readXml(Buffer.from(document))

        if (result.ok) assert.deepEqual(result.value, readWithSaxes(document))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('readXml() refuses', () => {
  for (const { name, bytes, why } of refusedDocuments) {
    it(name, () => {
      assert.deepEqual(readXml(bytes), { ok: false, why })
    })
  }
})

describe('writeXml()', () => {
  it('writes what it and an independent parser read back', () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const bytes = writeXml(tree)

        assert.deepEqual(readXml(bytes), { ok: true, value: tree })
        assert.deepEqual(readWithSaxes(Buffer.from(bytes).toString()), tree)
      }),
    )
  })

  it('refuses names that would become markup', () => {
    for (const name of ['a><evil/', 'a b="c"', '', '?xml', '!--', '#text', ':@', '__proto__']) {
      assert.throws(() => writeXml(element(name)), RangeError)
      assert.throws(() => writeXml(element('a', { [name]: '1' })), RangeError)
    }
  })

  it('refuses characters that XML cannot carry', () => {
    for (const value of ['\0', '\u001b', '\u007f', '\u009b', '\ud800', '\udc00x', '\ufffe']) {
      assert.throws(
        () => writeXml(element('a', { b: value })),
        (error) => error instanceof HollerError && error.code === 'INVALID_PARAMS',
      )
    }
  })

  it('refuses a document beyond 96 KiB', () => {
    assert.throws(
      () => writeXml(element('a', { b: 'é'.repeat(50_000) })),
      (error) => error instanceof HollerError && error.code === 'TOO_LARGE',
    )
  })
})
