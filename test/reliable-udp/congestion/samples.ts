import { instant } from '../../../src/core/instant.ts'
import {
  type AckSample,
  emptyLossSample,
  type LossSample,
} from '../../../src/reliable-udp/congestion/controller.ts'

/** An ACK of `bytes`, all of which may let the window grow, with a window that was full. */
export function ackOf(bytes: number, at = 0, more: Partial<AckSample> = {}): AckSample {
  return {
    now: instant(at),
    ackedBytes: bytes,
    growthBytes: bytes,
    lostBytes: 0,
    rttMs: 50,
    ackDelayMs: 0,
    smoothedRttMs: 50,
    minRttMs: 50,
    priorInFlightBytes: 0,
    inFlightBytes: 0,
    isWindowLimited: true,
    largestAcked: 0,
    nextNumber: 1,
    delivered: bytes,
    priorDelivered: 0,
    sentInFlightBytes: 0,
    lostSinceSentBytes: 0,
    deliveryRate: 0,
    isAppLimited: false,
    ...more,
  }
}

export function lossAt(at: number, isNewEpisode = true): LossSample {
  return { ...emptyLossSample(), now: instant(at), lostBytes: 1200, isNewEpisode }
}
