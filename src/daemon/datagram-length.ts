/**
 * Where the datagrams end that the kernel hands over in one piece. Every protocol of the port says how long its messages
 * are, or has only one size of each kind, and nothing follows a message in its datagram; so the first one tells.
 */
import { datagramKind } from '../core/datagram-kind.ts'
import { DATA_HEADER_BYTES, dataChannel, relayFrameBytes } from '../protocol/relay/frames.ts'
import { packetBytes } from '../reliable-udp/packet.ts'
import { stunBytes } from '../stun/message.ts'
import { probeBytes } from '../traversal/probe.ts'

/** `undefined` for what none of the port's protocols has sent. */
export function datagramLength(bytes: Uint8Array): number | undefined {
  switch (datagramKind(bytes)) {
    case 'stun':
      return stunBytes(bytes)
    case 'connection':
      return packetBytes(bytes)
    case 'probe':
      return probeBytes(bytes)
    case 'relay':
      return dataChannel(bytes) === undefined ? relayFrameBytes(bytes) : carriedLength(bytes)
    case undefined:
      return undefined
  }
}

// What a relay carries is a packet or a probe: it never carries a frame of its own kind.
function carriedLength(frame: Uint8Array): number | undefined {
  const carried = frame.subarray(DATA_HEADER_BYTES)
  if (datagramKind(carried) === 'relay') return undefined
  const length = datagramLength(carried)
  return length === undefined ? undefined : DATA_HEADER_BYTES + length
}
