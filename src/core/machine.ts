import type { Endpoint } from './endpoint.ts'
import type { Instant } from './instant.ts'

declare const socketId: unique symbol

/** The name of one local socket of a machine that has several (birthday punching, a STUN server's four, a relay channel). */
export type SocketId = string & { readonly [socketId]: true }

export function socketNamed(name: string): SocketId {
  return name as SocketId
}

/** A datagram that a machine wants sent, or a batch of them to one place. */
export interface Transmit {
  readonly to: Endpoint
  readonly bytes: Uint8Array
  /** `bytes` are several datagrams of so many bytes each, of which the last may be shorter; one datagram when absent. */
  readonly segmentBytes?: number
  /** The socket to send from; the machine's primary one when absent. */
  readonly via?: SocketId
  /** IP time-to-live for this datagram alone (hole punching's openers); the system's default when absent. */
  readonly ttl?: number
}

/** Takes a batch apart; `bytes` are one datagram when there is no `segmentBytes`. */
export function forEachDatagram(
  bytes: Uint8Array,
  segmentBytes: number | undefined,
  take: (datagram: Uint8Array) => void,
): void {
  if (segmentBytes === undefined) {
    take(bytes)
    return
  }
  for (let at = 0; at < bytes.length; at += segmentBytes) {
    take(bytes.subarray(at, at + segmentBytes))
  }
}

/**
 * A protocol without I/O: bytes and time come in by `handle*`, datagrams and events go out by `poll*`.
 *
 * After any call that may change it, a machine is drained completely (`pollTransmit` and `pollEvent` until
 * `undefined`, then `pollTimeout` once) before the next change. Datagrams that the system handed over together are one
 * change: they go in one after the other, and are acknowledged together. Exactly two callers do that: `io/drive.ts`
 * and `test/sim/world.ts`, and machines that contain other machines do it for their parts.
 */
export interface Machine<Event> {
  /** `via` names the local socket it arrived on; the primary one when absent. `bytes` are only lent for the call. */
  handleDatagram(now: Instant, from: Endpoint, bytes: Uint8Array, via?: SocketId): void
  handleTimeout(now: Instant): void
  /**
   * The `handleTimeout` that follows comes later by so much than it was asked for (by a second at least): the process
   * was held up, and for so long nobody listened or sent. Whoever concludes from silence should take it into account.
   */
  handleTimeJump?(byMs: number): void
  pollTransmit(): Transmit | undefined
  pollEvent(): Event | undefined
  /** When `handleTimeout` wants to be called next; `undefined` means never. */
  pollTimeout(): Instant | undefined
}

/** What a link machine wants done to its connection. */
export type LinkOutput =
  | { readonly kind: 'connect' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'disconnect' }

/** What a secure stream tells about itself once it stands. */
export interface SecureChannel {
  /** The TLS exporter of RFC 9266 (`tls-exporter`, 32 bytes): binds a login to this very channel. */
  readonly exporter: Uint8Array
  readonly local: Endpoint
  readonly remote: Endpoint
  /** By a ticket of an earlier session, without a whole handshake. */
  readonly isResumed: boolean
}

/** A machine whose outside is an ordered byte stream that comes and goes (TLS over TCP). Same rules as `Machine`. */
export interface LinkMachine<Event> {
  handleConnected(now: Instant, channel: SecureChannel): void
  handleBytes(now: Instant, bytes: Uint8Array): void
  /** The stream ended or could not be made. Called once for each `connect` that was asked for, unless it still stands. */
  handleDisconnected(now: Instant, why: string): void
  handleTimeout(now: Instant): void
  pollOutput(): LinkOutput | undefined
  pollEvent(): Event | undefined
  pollTimeout(): Instant | undefined
}
