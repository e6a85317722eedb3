export type StoreChange =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: string }

/** Keys are compared byte by byte as UTF-8. Both ends are optional; `from` is included, `before` is not. */
export interface StoreRange {
  readonly from?: string
  readonly before?: string
  /** Newest key first. */
  readonly reverse?: boolean
  readonly limit?: number
}

/**
 * The port for whatever must survive: an ordered key-value store.
 * No write returns before it is on disk, and a write is all or nothing.
 */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  /** As it was when the first was asked for, whatever is written meanwhile. */
  range(range: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]>
  write(changes: readonly StoreChange[]): Promise<void>
  close(): Promise<void>
}
