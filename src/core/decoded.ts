/** What a decoder returns: decoders never throw, whatever the bytes are. */
export type Decoded<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

export function decoded<T>(value: T): Decoded<T> {
  return { ok: true, value }
}

/** `why` is for the debug log and for tests; it never holds the bytes themselves. */
export function malformed(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why }
}
