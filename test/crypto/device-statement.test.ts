import assert from 'node:assert/strict'
import { describe, it } from 'mocha'
import { utf8 } from '../../src/core/bytes.ts'
import {
  deviceLoginStatement,
  relayBindStatement,
  staticKeyStatement,
} from '../../src/crypto/device-statement.ts'

describe('device statements', () => {
  it('begin with words of their own', () => {
    assert.deepEqual(staticKeyStatement(utf8('KEY')), utf8('holler static keyKEY'))
    assert.deepEqual(deviceLoginStatement(utf8('EXPORTER')), utf8('holler device loginEXPORTER'))
    assert.deepEqual(
      relayBindStatement(utf8('NONCE'), utf8('COOKIE'), utf8('TICKET')),
      utf8('holler relay bindNONCECOOKIETICKET'),
    )
  })

  it('never serve another purpose, whatever follows the words', () => {
    const words = ['holler static key', 'holler device login', 'holler relay bind']

    for (const one of words) {
      for (const other of words) assert.equal(one.startsWith(other), one === other)
    }
  })
})
