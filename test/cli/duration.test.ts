import assert from 'node:assert/strict'
import { parseDuration } from '../../src/cli/duration.ts'

describe('parseDuration()', () => {
  const readable: readonly (readonly [string, number])[] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['30', 30_000],
    ['1.5m', 90_000],
    ['24h', 86_400_000],
  ]
  for (const [text, ms] of readable) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), ms))
  }

  for (const text of ['', '0s', '-1s', '5 s', '25h', '1d', '1e3s', 'soon']) {
    it(`refuses "${text}"`, () => assert.equal(parseDuration(text), undefined))
  }
})
