import type { StreamId, StreamPriority } from './stream-id.ts'

export type StreamEvent =
  | {
      readonly kind: 'stream-opened'
      readonly stream: StreamId
      readonly priority: StreamPriority
    }
  /** Told once; again only after everything was read and more came. */
  | { readonly kind: 'stream-readable'; readonly stream: StreamId }
  /** A `write` took less than was offered; now there is room again. */
  | { readonly kind: 'stream-writable'; readonly stream: StreamId }
  /** The peer ended its half and everything was read. */
  | { readonly kind: 'stream-finished'; readonly stream: StreamId }
  /** The peer gave up its half; what was not read is gone. */
  | { readonly kind: 'stream-reset'; readonly stream: StreamId; readonly code: number }
  /** The peer reads no more; our half was reset with its code. */
  | { readonly kind: 'stream-stopped'; readonly stream: StreamId; readonly code: number }
