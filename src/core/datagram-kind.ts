export type DatagramKind = 'stun' | 'connection' | 'relay' | 'probe'

const KINDS = ['stun', 'connection', 'relay', 'probe'] as const

/**
 * Which protocol a datagram on the shared port belongs to, by its first two bits (after RFC 9443):
 * 00 STUN, 01 reliable-udp, 10 relay frame, 11 punch probe. `undefined` for an empty datagram.
 */
export function datagramKind(bytes: Uint8Array): DatagramKind | undefined {
  const first = bytes[0]
  return first === undefined ? undefined : KINDS[(first >> 6) as 0 | 1 | 2 | 3]
}
