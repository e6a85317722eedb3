import type { ConnectionStats } from './connection-event.ts'
import type { Session } from './connection-session.ts'

const NOTHING_YET: ConnectionStats = {
  smoothedRttMs: 0,
  minRttMs: 0,
  latestRttMs: 0,
  rttVarMs: 0,
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  packetsSpurious: 0,
  packetsDropped: 0,
  bytesSent: 0,
  bytesReceived: 0,
  bytesInFlight: 0,
  congestionWindowBytes: 0,
  pacingBytesPerMs: 0,
  datagramBytes: 0,
  keyGeneration: 0,
  openStreams: 0,
  streamBytesHeld: 0,
}

/** Figures for people and for choosing paths; zeros before the handshake is done. Handshake packets are not counted. */
export function statsOf(session: Session | undefined): ConnectionStats {
  if (session === undefined) return NOTHING_YET
  const { recovery, pacer, mtu, protection, streams } = session
  const { rtt } = recovery
  return {
    smoothedRttMs: rtt.smoothedMs,
    minRttMs: rtt.minMs,
    latestRttMs: rtt.latestMs,
    rttVarMs: rtt.variationMs,
    packetsSent: session.packetsSent,
    packetsReceived: session.packetsReceived,
    packetsLost: recovery.packetsLost,
    packetsSpurious: recovery.packetsSpurious,
    packetsDropped: session.packetsDropped,
    bytesSent: session.bytesSent,
    bytesReceived: session.bytesReceived,
    bytesInFlight: recovery.inFlightBytes,
    congestionWindowBytes: recovery.windowBytes,
    pacingBytesPerMs: pacer.rate,
    datagramBytes: mtu.datagramBytes,
    keyGeneration: protection.sendGeneration,
    openStreams: streams.openCount,
    streamBytesHeld: streams.heldBytes,
  }
}
