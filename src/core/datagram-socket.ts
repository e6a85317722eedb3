import type { Endpoint } from './endpoint.ts'

/**
 * With `segmentBytes`, `bytes` are several datagrams of that size each, of which the last may be shorter. Only a socket
 * that was told how to cut batches apart hands any over.
 */
export type DatagramHandler = (from: Endpoint, bytes: Uint8Array, segmentBytes?: number) => void

/** How long the datagram that begins here says it is; `undefined` for one that does not say. Anything may be in it. */
export type DatagramLength = (bytes: Uint8Array) => number | undefined

/** A bound UDP socket. A datagram that cannot be sent is a lost datagram, never an error. */
export interface DatagramSocket {
  readonly local: Endpoint
  /** Whether the system takes batches in one call. */
  readonly hasBatches?: boolean
  /** `ttl` is for this datagram alone. */
  send(to: Endpoint, bytes: Uint8Array, ttl?: number): void
  /**
   * Sends several datagrams of `segmentBytes` each, of which the last may be shorter, in one call where possible. A
   * socket without it has no cheaper way than one after the other.
   */
  sendBatch?(to: Endpoint, bytes: Uint8Array, segmentBytes: number): void
  /** There is one handler; setting it again replaces it. */
  onDatagram(handler: DatagramHandler): void
  /** Called when the system has no way to where a datagram was to go: the host may be somewhere else. One handler. */
  onUnreachable?(handler: () => void): void
  /**
   * Whether datagrams leave with "don't fragment" set and are never fragmented here either: one that is larger than
   * the path carries is lost, as path MTU discovery wants it (RFC 8899 §3). False when the system or the process has
   * no means to say so, and then everything is as before.
   */
  setDontFragment(isOn: boolean): boolean
  close(): Promise<void>
}
