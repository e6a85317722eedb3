import type { Server } from 'node:net'
import { loadLibc } from './libc.ts'

// linux/in.h, linux/tcp.h
const IPPROTO_TCP = 6
const TCP_MAXSEG = 2

/**
 * What the smallest path of IPv6 carries (RFC 8200 §5: 1,280 bytes), less the headers of IPv6 and TCP. Tunnels, mobile and
 * dial-up lines are between that and Ethernet's 1,500, and many of them swallow what is too big without a word, while
 * neither end learns it: Linux looks for such holes only where `net.ipv4.tcp_mtu_probing` says so.
 */
const SEGMENT_BYTES = 1280 - 40 - 20

/**
 * Connections that come from now on are made of segments that every path carries, in both directions: a listener tells
 * its own limit to who connects, and sends no more than that itself. False where the system cannot be told.
 */
export function useSmallSegments(server: Server): boolean {
  const fd = descriptorOf(server)
  return (
    fd !== undefined && loadLibc()?.setOption(fd, IPPROTO_TCP, TCP_MAXSEG, SEGMENT_BYTES) === true
  )
}

/** Node keeps it in `_handle.fd`, for which there is no other name; where a future one does not, segments are as ever. */
function descriptorOf(server: Server): number | undefined {
  const { _handle: handle } = server as { _handle?: { readonly fd?: unknown } | null }
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
