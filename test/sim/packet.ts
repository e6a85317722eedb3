import type { Endpoint } from '../../src/core/endpoint.ts'

/** One UDP datagram somewhere in the world. Routers make new ones; nobody changes one. */
export interface Packet {
  readonly from: Endpoint
  readonly to: Endpoint
  readonly bytes: Uint8Array
  readonly ttl: number
  /** The name of the host that sent it, whatever NATs made of `from`. */
  readonly origin: string
}

/** IP and UDP headers: what a link carries besides `bytes`. */
export function wireBytes({ from, bytes }: Packet): number {
  return bytes.length + (from.family === 4 ? 28 : 48)
}
