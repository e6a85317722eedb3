import assert from 'node:assert/strict'
import { closestWord } from '../../src/core/closest-word.ts'

const WORDS = ['listen', 'log-level', 'log-format', 'udp', 'udp-alt', 'data']

describe('closestWord()', () => {
  for (const [written, meant] of [
    ['listne', 'listen'],
    ['LISTEN', 'listen'],
    ['log-levl', 'log-level'],
    ['loglevel', 'log-level'],
    ['udp_alt', 'udp-alt'],
    ['dtaa', 'data'],
    ['port', undefined],
    ['', undefined],
    ['something-else', undefined],
  ] as const) {
    it(`takes "${written}" for ${String(meant)}`, () => {
      assert.equal(closestWord(written, WORDS), meant)
    })
  }
})
