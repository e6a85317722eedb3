export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex')
}

export function fromHex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64')
}

/** Strict: `undefined` for anything that `toBase64` would not have written. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

export function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** The same memory seen as a Buffer, for the number readers and writers of codecs. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A copy of its own: for bytes kept beyond the call that lent them. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes)
}
