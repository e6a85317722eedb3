import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { errorCodes } from '../../src/core/holler-error.ts'

describe('errorCodes', () => {
  it('are exactly the ones that docs/errors.md explains, in the same order', async () => {
    const page = await readFile('docs/errors.md', 'utf8')

    const explained = [...page.matchAll(/^## (\S+)$/gm)].map(([, code]) => code)

    assert.deepEqual(explained, [...errorCodes])
  })
})
