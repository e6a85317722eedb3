/** What a `PeerEndpoint` tells its owner, and the words it tells it with. */
import type { KnownSilences } from '../traversal/idle-interval.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { AccountNumber, Candidate } from '../protocol/server/messages.ts'
import type { NatProfile } from '../protocol/server/nat-profile.ts'
import type { SocketEvent } from '../traversal/attempt.ts'
import type { RelayStreamsEvent } from '../traversal/relay-streams.ts'
import type { PeerPathReport } from './peer-paths.ts'

/** Why there is no session with a peer any more, or why an introduction did not become one. */
export type PeerCloseReason =
  /** We asked to be introduced, and the peer's answer did not come in time. */
  | 'unanswered'
  /** The server would not introduce us (peer offline, not a buddy, too often). */
  | 'refused'
  /** Introduced, but no datagram of the peer's came through by any path in time. */
  | 'no-path'
  /** Datagrams came through, but the keys did not agree. */
  | 'handshake-failed'
  /** The peer does not hold the device keys that it was introduced with. */
  | 'identity-mismatch'
  /** Nothing was heard of the peer for too long. */
  | 'idle'
  /** The peer said goodbye. */
  | 'peer'
  /** The peer sent what the protocol does not allow. */
  | 'protocol-violation'
  /** A new introduction took this one's place. */
  | 'replaced'
  /** The peer forgot the session, again: a new one is made when the owner thinks it time. */
  | 'outlived'
  /** The owner said `disconnect`, or changed the policy. */
  | 'local'
  | 'policy-changed'

export type PeerEndpointEvent =
  /** What silences do to paths out of this network, to be remembered with it. */
  | { readonly kind: 'silences-learnt'; readonly known: KnownSilences }
  /** To be said to the server as `introduce`; with `isAnswer` it repeats the other side's session. */
  | {
      readonly kind: 'introduce-wanted'
      readonly peer: AccountNumber
      readonly session: Uint8Array // 16 bytes
      readonly isAnswer: boolean
      readonly probeKey: Uint8Array // 32 bytes
      readonly candidates: readonly Candidate[]
      /** What is known of our NAT. */
      readonly nat: NatProfile | undefined
      /** The relay that we have chosen; `undefined` for the server's own. */
      readonly relay: Uint8Array | undefined
    }
  /** `send` works from here on. `identity` is proven, and equal to the device that the server introduced. */
  | {
      readonly kind: 'peer-connected'
      readonly peer: AccountNumber
      readonly identity: Uint8Array // 32 bytes
      readonly remoteStatic: Uint8Array // 32 bytes
      readonly payload: Uint8Array // identity, then its signature over the static key
    }
  /** One encoded `PeerMessage`, whole, in order. */
  | { readonly kind: 'message'; readonly peer: AccountNumber; readonly bytes: Uint8Array }
  /** After `send` said false: there is room again. */
  | { readonly kind: 'send-ready'; readonly peer: AccountNumber }
  | {
      readonly kind: 'peer-closed'
      readonly peer: AccountNumber
      readonly reason: PeerCloseReason
      readonly wasConnected: boolean
    }
  | { readonly kind: 'path-changed'; readonly peer: AccountNumber; readonly report: PeerPathReport }
  /** What `ping` asked was answered, by the path that carries data. */
  | { readonly kind: 'pong'; readonly peer: AccountNumber; readonly rttMs: number }
  /** `relayStreamOpened` and `relayStreamClosed` tell what became of it. */
  | RelayStreamsEvent
  /** A punching attempt's socket: `socketOpened` or `socketRefused` is awaited. */
  | SocketEvent
  /** Where nothing came through something comes through again: whoever waits for the network need not wait any longer. */
  | { readonly kind: 'network-back' }
  /** What STUN says that our port looks like from outside; empty when it says nothing. */
  | { readonly kind: 'public-address'; readonly endpoints: readonly Endpoint[] }
