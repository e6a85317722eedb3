import type { ConnectionIdEvent } from './connection-ids.ts'
import type { Path } from './path.ts'
import type { StreamEvent } from './streams/stream-event.ts'

export type CloseReason =
  /** We closed, and the peer knows, or was told several times. */
  | 'local'
  | 'peer'
  /** Nothing came for as long as the idle timeout. */
  | 'idle'
  | 'handshake-failed'
  /** The peer broke the protocol; it was told so. */
  | 'protocol-violation'
  /** The peer has lost the connection with its memory, and said so (`stateless-reset.ts`). */
  | 'reset'

export interface ClosedEvent {
  readonly kind: 'closed'
  readonly reason: CloseReason
  /** The application's own code where an application closed, else the transport's (RFC 9000 §20.1). */
  readonly code: number
  readonly text: string
}

export type ConnectionEvent =
  | {
      readonly kind: 'connected'
      readonly remoteStatic: Uint8Array
      readonly payload: Uint8Array
    }
  | StreamEvent
  | ConnectionIdEvent
  /** The peer was found under another address, and proved to be there. */
  | { readonly kind: 'path-changed'; readonly path: Path }
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** Always the last event. */
  | ClosedEvent

export interface ConnectionStats {
  readonly smoothedRttMs: number
  readonly minRttMs: number
  readonly latestRttMs: number
  readonly rttVarMs: number
  readonly packetsSent: number
  readonly packetsReceived: number
  /** Given up as lost; `packetsSpurious` of them arrived after all. */
  readonly packetsLost: number
  readonly packetsSpurious: number
  /** Not authentic, or seen before. */
  readonly packetsDropped: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly bytesInFlight: number
  readonly congestionWindowBytes: number
  readonly pacingBytesPerMs: number
  readonly datagramBytes: number
  readonly keyGeneration: number
  readonly openStreams: number
  /** Memory held for bytes written and not acknowledged, and for bytes received and not read. */
  readonly streamBytesHeld: number
}
