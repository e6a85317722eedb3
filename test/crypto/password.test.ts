import assert from 'node:assert/strict'
import { argon2id } from '@noble/hashes/argon2.js'
import { describe, it } from 'mocha'
import fc from 'fast-check'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { isAcceptableHashing } from '../../src/crypto/password-hashing.ts'
import { DEFAULT_HASHING, normalisePassword, saltedPassword } from '../../src/crypto/password.ts'

const salt = new Uint8Array(16).fill(2)

describe('saltedPassword()', () => {
  // RFC 9106 §5.3 uses a secret and associated data, which passwords do not: the vector proves the oracle,
  // and the oracle our function.
  it('agrees with an implementation that computes RFC 9106 §5.3', async () => {
    const ofTheRfc = argon2id(new Uint8Array(32).fill(1), salt, {
      m: 32,
      t: 3,
      p: 4,
      dkLen: 32,
      key: new Uint8Array(8).fill(3),
      personalization: new Uint8Array(12).fill(4),
    })
    assert.equal(
      toHex(ofTheRfc),
      '0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659',
    )

    for (const [memoryKiB, passes, lanes] of [
      [32, 3, 4],
      [64, 2, 1],
      [256, 1, 2],
    ] as const) {
      const password = 'correct horse 电池 staple'
      assert.equal(
        toHex(await saltedPassword(password, salt, { memoryKiB, passes, lanes })),
        toHex(argon2id(utf8(password), salt, { m: memoryKiB, t: passes, p: lanes, dkLen: 32 })),
      )
    }
  })

  it('depends on the password and on the salt', async () => {
    const other = new Uint8Array(16).fill(3)
    const results = await Promise.all([
      saltedPassword('one', salt, DEFAULT_HASHING),
      saltedPassword('one', salt, DEFAULT_HASHING),
      saltedPassword('two', salt, DEFAULT_HASHING),
      saltedPassword('one', other, DEFAULT_HASHING),
    ])

    assert.equal(new Set(results.map(toHex)).size, 3)
  })
})

describe('normalisePassword()', () => {
  const accepted = (text: string): string | undefined => {
    const result = normalisePassword(text)
    return result.ok ? result.value : undefined
  }

  it('gives the examples of RFC 4013 §3', () => {
    assert.equal(accepted('I\u00adX'), 'IX')
    assert.equal(accepted('user'), 'user')
    assert.equal(accepted('USER'), 'USER')
    assert.equal(accepted('\u00aa'), 'a')
    assert.equal(accepted('\u2168'), 'IX')
    assert.equal(accepted('\u0007'), undefined)
    assert.equal(accepted('\u06271'), undefined)
  })

  it('makes one password of the two ways to type a letter with its accent', () => {
    assert.equal(accepted('cafe\u0301'), accepted('caf\u00e9'))
  })

  it('takes 1 to 1024 characters, of any script, emoji too', () => {
    assert.equal(accepted(''), undefined)
    assert.equal(accepted('\u00ad'), undefined)
    assert.equal(accepted('x'.repeat(1024))?.length, 1024)
    assert.equal(accepted('x'.repeat(1025)), undefined)
    assert.equal(accepted('\ufdfa'.repeat(100)), undefined) // each becomes 18 characters
    assert.equal(accepted('密码🦆🫎'), '密码🦆🫎')
    assert.equal(accepted('\ud83e'), undefined)
  })

  it('never throws, and gives a form that stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const once = accepted(text)
        if (once !== undefined) assert.equal(accepted(once), once)
      }),
    )
  })
})

describe('isAcceptableHashing()', () => {
  it('takes the default and refuses what is weaker, dearer or no whole number', () => {
    const verdict = (change: object): boolean =>
      isAcceptableHashing({ ...DEFAULT_HASHING, ...change })

    assert.equal(verdict({}), true)
    assert.equal(verdict({ memoryKiB: 262_144, passes: 16, lanes: 16 }), true)
    assert.equal(verdict({ memoryKiB: 19_455 }), false)
    assert.equal(verdict({ memoryKiB: 262_145 }), false)
    assert.equal(verdict({ passes: 1 }), false)
    assert.equal(verdict({ passes: 17 }), false)
    assert.equal(verdict({ lanes: 0 }), false)
    assert.equal(verdict({ lanes: 17 }), false)
    assert.equal(verdict({ passes: 2.5 }), false)
    assert.equal(verdict({ passes: Number.NaN }), false)
  })
})
