import assert from 'node:assert/strict'
import fc from 'fast-check'
import { jsonLine, visibleBody, visibleText } from '../../src/cli/visible-text.ts'

// eslint-disable-next-line no-control-regex -- what must not reach a terminal
const BARE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe('visibleText()', () => {
  it('shows an escape sequence instead of sending it', () => {
    assert.equal(visibleText('\u001b[2J\u001b]52;c;cm0=\u0007'), '\\x1b[2J\\x1b]52;c;cm0=\\x07')
  })

  it('shows the one-byte forms of C1 and what turns the reading direction', () => {
    assert.equal(visibleText('\u009b31m \u202egpj.exe'), '\\x9b31m \\u202egpj.exe')
  })

  it('leaves words, tabs and emoji alone', () => {
    assert.equal(visibleText('Grüße\t小明 👩‍👩‍👧'), 'Grüße\t小明 👩‍👩‍👧')
  })

  it('never lets a control character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(visibleText(text), BARE)
      }),
    )
  })
})

describe('visibleBody()', () => {
  it('indents further lines, so that a text cannot pose as another message', () => {
    assert.equal(visibleBody('one\r\ntwo\nthree', '  '), 'one\n  two\n  three')
  })
})

describe('jsonLine()', () => {
  it('is one line with the same value and nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = jsonLine({ text })

        assert.doesNotMatch(line, BARE)
        assert.deepEqual(JSON.parse(line), { text })
      }),
    )
  })
})
