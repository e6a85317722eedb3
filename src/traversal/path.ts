import type { Endpoint } from '../core/endpoint.ts'
import { type SocketId, socketNamed } from '../core/machine.ts'
import { toHex } from '../core/bytes.ts'

/** A way to the peer: where to send, and from which socket when it is not the primary one. */
export interface Path {
  readonly to: Endpoint
  readonly via?: SocketId
}

/** The virtual socket of a session's relay channel: its owner wraps what is sent through it into DATA frames. */
export function relaySocket(session: Uint8Array): SocketId {
  return socketNamed(`relay:${toHex(session)}`)
}
