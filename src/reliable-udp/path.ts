import { type Endpoint, sameEndpoint } from '../core/endpoint.ts'
import type { SocketId, Transmit } from '../core/machine.ts'

/** Where a peer is reached, and through which of our sockets (or virtual ones: a relay); the primary one when absent. */
export interface Path {
  readonly to: Endpoint
  readonly via?: SocketId
}

export function pathOf(to: Endpoint, via: SocketId | undefined): Path {
  return via === undefined ? { to } : { to, via }
}

export function samePath(a: Path, b: Path): boolean {
  return a.via === b.via && sameEndpoint(a.to, b.to)
}

/** A NAT gave the same peer another port: nothing else about the path changed (RFC 9000 §9.4). */
export function differsByPortOnly(a: Path, b: Path): boolean {
  return a.via === b.via && a.to.address === b.to.address
}

/** `segmentBytes` where the bytes are a batch. */
export function transmitOn({ to, via }: Path, bytes: Uint8Array, segmentBytes?: number): Transmit {
  const isBatch = segmentBytes !== undefined && segmentBytes < bytes.length
  return {
    to,
    bytes,
    ...(via === undefined ? {} : { via }),
    ...(isBatch ? { segmentBytes } : {}),
  }
}
