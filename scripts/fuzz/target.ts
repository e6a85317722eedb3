/** What can be fuzzed: a decoder, inputs to begin with, and what it promises for any bytes whatever. */
import { strict as assert } from 'node:assert'
import type { Decoded } from '../../src/core/decoded.ts'
import type { Random } from '../../src/core/random.ts'

export interface FuzzTarget {
  /** `room/what`. */
  readonly name: string
  /** One line for `npm run fuzz`. */
  readonly about: string
  /** Text formats are also changed token by token. */
  readonly format: 'binary' | 'text'
  /** Well-formed inputs, written by the encoders: what mutations begin with. */
  inputs(random: Random): readonly Uint8Array[]
  /** Makes a mutated input plausible again (a length, a checksum), so that it gets past the first gate. */
  readonly repair?: (bytes: Uint8Array) => Uint8Array
  /** True when the input was understood. Throws where the decoder breaks a promise. */
  check(bytes: Uint8Array): boolean
}

/**
 * The check of a codec: the decoder does not throw, and what it understood can be written and understood again, which
 * gives the same bytes. `encode` answers `undefined` for what nobody ever writes.
 */
export function codecCheck<T>(
  decode: (bytes: Uint8Array) => Decoded<T>,
  encode?: (value: T) => Uint8Array | undefined,
): (bytes: Uint8Array) => boolean {
  return (bytes) => {
    const read = decode(bytes)
    if (!read.ok) {
      assert.ok(read.why.length > 0, 'a refusal says why')
      return false
    }
    const written = encode?.(read.value)
    if (written === undefined) return true
    const again = decode(written)
    assert.ok(again.ok, `what was written is not understood: ${again.ok ? '' : again.why}`)
    assertSameBytes(encode?.(again.value), written)
    return true
  }
}

export function assertSameBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  const isSame = actual !== undefined && Buffer.compare(actual, expected) === 0
  assert.ok(isSame, `written again, it differs: ${hex(actual)} is not ${hex(expected)}`)
}

function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('hex')
}
