import type { Endpoint } from './endpoint.ts'

export type DatagramHandler = (from: Endpoint, bytes: Uint8Array) => void

/** A bound UDP socket. A datagram that cannot be sent is a lost datagram, never an error. */
export interface DatagramSocket {
  readonly local: Endpoint
  /** `ttl` is for this datagram alone. */
  send(to: Endpoint, bytes: Uint8Array, ttl?: number): void
  /** There is one handler; setting it again replaces it. */
  onDatagram(handler: DatagramHandler): void
  close(): Promise<void>
}
