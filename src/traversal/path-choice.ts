/**
 * Which of several working paths to use. Lower scores are better; a path that is only a little better, or only for a
 * moment, changes nothing.
 */
import type { PathQuality } from './path-quality.ts'

export type PathKind = 'lan' | 'direct' | 'relay'

/** What a path is worth beyond its measurements: a LAN costs nobody anything, the relay is somebody else's machine. */
const TIER_MS = { lan: -20, direct: 0, relay: 40 } as const

/** IPv6 has no mapping that could end. */
const IPV6_MS = -3

const JITTER_WEIGHT = 2
const LOSS_MS_PER_PERCENT = 20

export interface Scored {
  readonly pathKind: PathKind
  readonly isIpv6: boolean
  readonly quality: PathQuality
}

/** `undefined` while nothing was measured. */
export function scoreOf({ pathKind, isIpv6, quality }: Scored): number | undefined {
  const { smoothedRttMs, jitterMs, penaltyPercent } = quality
  if (smoothedRttMs === undefined) return undefined
  const tier = TIER_MS[pathKind] + (isIpv6 && pathKind === 'direct' ? IPV6_MS : 0)
  return smoothedRttMs + JITTER_WEIGHT * jitterMs + LOSS_MS_PER_PERCENT * penaltyPercent + tier
}

const MARGIN_MS = 5
const MARGIN_RATIO = 0.1

/** Better by more than the noise of measuring. */
export function isClearlyBetter(challenger: Scored, current: Scored): boolean {
  const [a, b] = [scoreOf(challenger), scoreOf(current)]
  if (a === undefined || b === undefined) return false
  return b - a > Math.max(MARGIN_MS, Math.abs(b) * MARGIN_RATIO)
}

const SAMPLES_TO_SWITCH = 3

/** Counts how often in a row a challenger was clearly better at its own samples. */
export class Hysteresis<Path extends Scored> {
  readonly #streaks = new Map<Path, number>() // ≤ pairs of the agent; cleared at each switch

  /** A new sample of `challenger`: is it time to switch? */
  note(challenger: Path, current: Path): boolean {
    const streak = isClearlyBetter(challenger, current)
      ? (this.#streaks.get(challenger) ?? 0) + 1
      : 0
    this.#streaks.set(challenger, streak)
    return streak >= SAMPLES_TO_SWITCH
  }

  clear(): void {
    this.#streaks.clear()
  }
}
