import assert from 'node:assert/strict'

/** Deep equality that takes a Buffer for the bytes it holds. */
export function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(structuredClone(actual), structuredClone(expected))
}
