import type { Candidate } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import type { SocketEvent } from '../traversal/attempt.ts'
import type { PeerCloseReason } from './peer-events.ts'
import type { PeerPathReport } from './peer-paths.ts'

/** What a `PeerSession` tells its endpoint. */
export type PeerSessionEvent =
  | {
      readonly kind: 'introduce-wanted'
      readonly isAnswer: boolean
      readonly probeKey: Uint8Array
      readonly candidates: readonly Candidate[]
      readonly nat: NatProfile | undefined
    }
  | {
      readonly kind: 'connected'
      readonly identity: Uint8Array
      readonly remoteStatic: Uint8Array
      readonly payload: Uint8Array
    }
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'send-ready' }
  | SocketEvent
  | { readonly kind: 'path-changed'; readonly report: PeerPathReport }
  /** What `ping` asked was answered. */
  | { readonly kind: 'pong'; readonly rttMs: number }
  /** The relay of its ticket gives no channel: perhaps another one does. */
  | { readonly kind: 'relay-unreachable'; readonly relayId: Uint8Array }
  /** A direct path died: what we offered may not be true any more. */
  | { readonly kind: 'direct-lost' }
  /** The network was silent and is back, and there is no direct path: what we offered may not be true any more. */
  | { readonly kind: 'revived' }
  /** The peer has restarted and knows nothing of this session: another one must be made. */
  | { readonly kind: 'outlived' }
  | { readonly kind: 'closed'; readonly reason: PeerCloseReason; readonly wasConnected: boolean }
