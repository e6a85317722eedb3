import type { Endpoint } from './endpoint.ts'

export type DatagramHandler = (from: Endpoint, bytes: Uint8Array) => void

/** A bound UDP socket. A datagram that cannot be sent is a lost datagram, never an error. */
export interface DatagramSocket {
  readonly local: Endpoint
  /** `ttl` is for this datagram alone. */
  send(to: Endpoint, bytes: Uint8Array, ttl?: number): void
  /** There is one handler; setting it again replaces it. */
  onDatagram(handler: DatagramHandler): void
  /**
   * Whether datagrams leave with "don't fragment" set and are never fragmented here either: one that is larger than
   * the path carries is lost, as path MTU discovery wants it (RFC 8899 §3). False when the system or the process has
   * no means to say so, and then everything is as before.
   */
  setDontFragment(isOn: boolean): boolean
  close(): Promise<void>
}
