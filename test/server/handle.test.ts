import assert from 'node:assert/strict'
import fc from 'fast-check'
import { normaliseHandle, readName } from '../../src/server/handle.ts'

describe('normaliseHandle()', () => {
  it('takes 3 to 32 of a-z 0-9 . _ - that begin with a letter, in any case', () => {
    assert.equal(normaliseHandle('abc'), 'abc')
    assert.equal(normaliseHandle('A.b_c-9'), 'a.b_c-9')
    assert.equal(normaliseHandle('a'.repeat(32)), 'a'.repeat(32))
    for (const bad of ['', 'ab', 'a'.repeat(33), '9ab', '.ab', 'a b', 'ab\n', 'ab\u00e9', 'ab,c']) {
      assert.equal(normaliseHandle(bad), undefined, JSON.stringify(bad))
    }
  })

  it('takes no letter that merely becomes ASCII in lower case', () => {
    assert.equal('\u212a'.toLowerCase(), 'k')
    assert.equal(normaliseHandle('\u212aate'), undefined)
    assert.equal(normaliseHandle('ali\u017fe'), undefined)
  })

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{2,31}$/), (text) => {
        const once = normaliseHandle(text)
        assert.ok(once !== undefined)
        assert.equal(normaliseHandle(once), once)
      }),
    )
  })
})

describe('readName()', () => {
  it('tells numbers from handles', () => {
    assert.deepEqual(readName('10001'), { kind: 'number', number: 10001 })
    assert.deepEqual(readName('Alice'), { kind: 'handle', handle: 'alice' })
  })

  it('takes a number in its one form only', () => {
    for (const bad of ['0', '010001', '1e4', '+1', '-1', '1.0', ' 1', '9007199254740993', '']) {
      assert.equal(readName(bad), undefined, bad)
    }
  })
})
