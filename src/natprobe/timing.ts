/** The tests' timing, for the thorough and for the quick runs. */
import type { Schedule } from '../stun/transactions.ts'

/** `profile`: what a way of punching is chosen by, and quickly. `lifetime`: how long idle mappings live, and nothing else. */
export type Mode = 'full' | 'quick' | 'profile' | 'lifetime'

export type Pace = 'full' | 'quick'

const paceOf = (mode: Mode): Pace => (mode === 'full' ? 'full' : 'quick')

/**
 * For a question that is expected to be answered: at 25 % loss each way, one in 330 is lost with all its transmissions.
 * After the last one an answer may still take 1.5 s (satellite: 600 to 800 ms).
 */
const PATIENT: Readonly<Record<Pace, Schedule>> = {
  full: { sendAtMs: [0, 250, 500, 1000, 2000, 3000, 4000], giveUpAtMs: 5500 },
  quick: { sendAtMs: [0, 200, 400, 700, 1000, 1500, 2000], giveUpAtMs: 3500 },
}

/** Five transmissions on two sockets: at 10 % loss each way, one EIM answer in 16 million is lost with all of them. */
const NEGATIVE_SENDS: Readonly<Record<Pace, readonly number[]>> = {
  full: [0, 250, 500, 1000, 2000],
  quick: [0, 100, 200, 350, 500],
}

/** Beyond the round trip: jitter, and a server that does not answer at once. */
const LEAST_WAIT_MS: Readonly<Record<Pace, number>> = { full: 500, quick: 200 }
const LONGEST_WAIT_MS = 2500

export function patientSchedule(mode: Mode): Schedule {
  return PATIENT[paceOf(mode)]
}

/** For a question whose silence is to mean something: waits three round trips after the last transmission. */
export function negativeSchedule(mode: Mode, rttMs: number): Schedule {
  const sendAtMs = NEGATIVE_SENDS[paceOf(mode)]
  return { sendAtMs, giveUpAtMs: (sendAtMs.at(-1) ?? 0) + waitFor(mode, rttMs) }
}

/** For measuring loss: one transmission, one answer or none. */
export function singleSchedule(mode: Mode, rttMs: number): Schedule {
  return { sendAtMs: [0], giveUpAtMs: waitFor(mode, rttMs) }
}

function waitFor(mode: Mode, rttMs: number): number {
  return Math.min(Math.max(3 * rttMs, LEAST_WAIT_MS[paceOf(mode)]), LONGEST_WAIT_MS)
}
