import assert from 'node:assert/strict'
import fc from 'fast-check'
import { printable } from '../../src/server/printable.ts'

const anyText = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 100 })
  .map((codePoints) => String.fromCodePoint(...codePoints))

describe('printable()', () => {
  it('shows what is not printable ASCII by its number', () => {
    assert.equal(printable('hollerd/0.1.0'), 'hollerd/0.1.0')
    assert.equal(
      printable('a\u001b[2Jb\nc\u202ed\\e\u{1f600}'),
      'a\\u{1b}[2Jb\\u{a}c\\u{202e}d\\u{5c}e\\u{1f600}',
    )
  })

  it('never lets anything else through, nor much of it', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const shown = printable(text)
        assert.match(shown, /^[\x20-\x7e]*…?$/)
        assert.ok(shown.length <= 64 * 10 + 1)
      }),
    )
  })
})
