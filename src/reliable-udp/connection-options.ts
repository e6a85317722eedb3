import { copyOf, equalBytes } from '../core/bytes.ts'
import type { OutboundQueue } from '../core/outbound-queue.ts'
import type { Random } from '../core/random.ts'
import type { StaticKey } from '../crypto/static-key.ts'
import { type CongestionControl, controllers } from './congestion/choice.ts'
import type { ControllerFactory } from './congestion/controller.ts'
import type { ConnectionEvent } from './connection-event.ts'
import { Handshaking, type Settled } from './connection-handshaking.ts'
import type { LocalIds } from './connection-ids.ts'
import type { SessionOptions } from './connection-session.ts'
import { type HandshakeOptions, MAX_HANDSHAKE_PAYLOAD_BYTES } from './handshake.ts'
import type { HandshakePattern } from './handshake-packet.ts'
import { LARGEST_DATAGRAM_BYTES } from './mtu-discovery.ts'
import { CONNECTION_ID_BYTES } from './packet.ts'
import { DEFAULT_KEY_LIMITS, type KeyLimits } from './packet-protection.ts'
import type { Path } from './path.ts'
import type { RetryTokens } from './retry-token.ts'
import { resetTokenOf } from './stateless-reset.ts'
import { MAX_ACK_DELAY_MS } from './received-packets.ts'
import type { StreamSide } from './streams/stream-id.ts'
import { INITIAL_CONNECTION_WINDOW_BYTES, INITIAL_STREAM_WINDOW_BYTES } from './streams/streams.ts'
import { MAX_PEER_STREAMS } from './streams/stream-table.ts'
import type { TransportParameters } from './transport-parameters.ts'

/** A NAT forgets a mapping after 30 s at the earliest common setting; a path that is silent for longer is no path. */
export const DEFAULT_IDLE_TIMEOUT_MS = 30_000

/** `either`: both knock, or both may; for peers that meet by hole punching. The other side must do the same, or answer. */
export type ConnectionRole = StreamSide | 'either'

export interface ConnectionOptions {
  readonly role: ConnectionRole
  readonly staticKey: StaticKey
  /** What both sides know and must agree on. */
  readonly prologue: Uint8Array
  /** Ours, authenticated by the handshake and handed to the peer's application with `connected`. */
  readonly payload: Uint8Array
  /** The id in the first packet, known to both before the handshake: 8 bytes. */
  readonly initialId: Uint8Array
  readonly random: Random
  /** The initiator's way to the responder; where the responder believes the initiator to be. */
  readonly path: Path
  /** The initiator's choice: IK when it knows the responder's static key, else XX. */
  readonly pattern?: HandshakePattern
  /** Wanted by IK's initiator. */
  readonly remoteStatic?: Uint8Array
  /** Refuses a peer before anything is concluded from it: the handshake goes on waiting for the right one. */
  readonly accept?: (remoteStatic: Uint8Array, payload: Uint8Array) => boolean
  /** `bbr` when absent. */
  readonly congestionControl?: CongestionControl
  /** A controller of the caller's own instead. */
  readonly newController?: ControllerFactory
  readonly keyLimits?: KeyLimits
  readonly idleTimeoutMs?: number
  /** Makes the tokens by which the peer knows that we lost the connection (`stateless-reset.ts`); none without it. */
  readonly resetKey?: Uint8Array
  readonly retryTokens?: RetryTokens
}

function ownParameters(options: ConnectionOptions, sourceId: Uint8Array): TransportParameters {
  const { resetKey } = options
  return {
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
    maxDatagramBytes: LARGEST_DATAGRAM_BYTES,
    maxBytes: INITIAL_CONNECTION_WINDOW_BYTES,
    maxStreamBytes: INITIAL_STREAM_WINDOW_BYTES,
    maxStreams: MAX_PEER_STREAMS,
    maxAckDelayMs: MAX_ACK_DELAY_MS,
    sourceId,
    resetToken: resetKey === undefined ? undefined : resetTokenOf(resetKey, sourceId),
  }
}

/** @throws RangeError when the payload is longer than a handshake packet carries, or the id has not 8 bytes. */
export function newHandshake(options: ConnectionOptions, sourceId: Uint8Array): Handshaking {
  const initialId = copyOf(options.initialId)
  if (initialId.length !== CONNECTION_ID_BYTES) throw new RangeError('The initial id has 8 bytes')
  if (options.payload.length > MAX_HANDSHAKE_PAYLOAD_BYTES) {
    throw new RangeError('The handshake payload is too long')
  }
  const { role, remoteStatic } = options
  const pattern = options.pattern ?? (remoteStatic === undefined ? 'XX' : 'IK')
  const initiator = {
    pattern,
    initialId,
    ...(remoteStatic === undefined ? {} : { remoteStatic }),
  }
  return new Handshaking({
    ...commonOptions(options, sourceId),
    isResponder: role !== 'initiator',
    ...(role === 'responder' ? {} : { initiator }),
  })
}

function commonOptions(options: ConnectionOptions, sourceId: Uint8Array): HandshakeOptions {
  const { staticKey, prologue, payload, random, retryTokens } = options
  const accept = acceptOf(options)
  return {
    staticKey,
    prologue,
    payload,
    random,
    parameters: ownParameters(options, sourceId),
    ...(accept === undefined ? {} : { accept }),
    ...(retryTokens === undefined ? {} : { retryTokens }),
  }
}

/** Who knows whom it wants to meet wants nobody else, also where it answers. */
function acceptOf({ accept, remoteStatic }: ConnectionOptions): HandshakeOptions['accept'] {
  if (remoteStatic === undefined) return accept
  return (found, payload) => equalBytes(found, remoteStatic) && accept?.(found, payload) !== false
}

export function sessionOptions(
  options: ConnectionOptions,
  { established, side }: Settled,
  path: Path,
  localIds: LocalIds,
  events: OutboundQueue<ConnectionEvent>,
): SessionOptions {
  return {
    side,
    path,
    isPathPinned: side === 'initiator',
    random: options.random,
    events,
    localIds,
    ownParameters: ownParameters(options, localIds.first),
    established,
    newController: options.newController ?? controllers[options.congestionControl ?? 'bbr'],
    keyLimits: options.keyLimits ?? DEFAULT_KEY_LIMITS,
  }
}
