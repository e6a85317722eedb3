/** When questions to a gateway are repeated. */
import { type Random, uniform } from '../../core/random.ts'
import type { Schedule } from '../../stun/transactions.ts'

/**
 * RFC 6886 §3.1: 250 ms, doubling. It goes on for nine times and 64 s; here it ends after five, since what answers
 * later than that is of no use to a connection that is being made, and everything is asked again before long.
 */
export const NAT_PMP_SCHEDULE: Schedule = {
  sendAtMs: [0, 250, 750, 1750, 3750],
  giveUpAtMs: 7750,
}

/** UPnP Device Architecture 1.1 §1.3.2 wants searches repeated; answers to the last come within MX = 1 s. */
export const SSDP_SCHEDULE: Schedule = { sendAtMs: [0, 250, 1000], giveUpAtMs: 3000 }

/** Before we exit: nobody wants to wait for a gateway then. What is not deleted ends with its lease. */
export const DELETE_SCHEDULE: Schedule = { sendAtMs: [0, 250, 500], giveUpAtMs: 1000 }

const PCP_INITIAL_MS = 3000
const PCP_SPREAD = 0.1

/** A gateway on the same link has answered by then, unless the packet is lost. */
const PCP_EARLY_MS = 250

/**
 * RFC 6887 §8.1.1: RT is 3 s ± 10 %, then doubles, ± 10 % again; we are told to go on for ever and give up where the
 * third interval would begin. One transmission is ours: 250 ms after the first, as NAT-PMP has it, because a lost
 * packet must not cost a connection 3 s (the test "repeats a question after 250 ms" shows the departure).
 */
export function pcpSchedule(random: Random): Schedule {
  const spread = (): number => 1 - PCP_SPREAD + 2 * PCP_SPREAD * uniform(random)
  const first = PCP_INITIAL_MS * spread()
  const second = 2 * first * spread()
  return { sendAtMs: [0, PCP_EARLY_MS, first], giveUpAtMs: first + second }
}
