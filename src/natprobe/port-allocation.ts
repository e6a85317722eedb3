/**
 * Which rule a NAT picks ports by, from the local and public ports of sockets used one after another.
 *
 * Each rule says how likely the observed ports are; the likeliest wins, and its share of all the likelihood is the
 * confidence. Foreign traffic through the same NAT takes ports in between and is part of each rule.
 */

export interface PortSample {
  readonly local: number
  readonly mapped: number
}

export const allocationKinds = ['preserve', 'step', 'parity', 'block', 'random', 'unknown'] as const

export type PortAllocation =
  /** The public port is the local one. */
  | { readonly kind: 'preserve' }
  /** The next port follows at a constant distance. */
  | { readonly kind: 'step'; readonly step: number }
  /** Random, but even for even and odd for odd local ports (RFC 4787 REQ-3). */
  | { readonly kind: 'parity'; readonly low: number; readonly high: number }
  /** Random within a block that is this host's own (RFC 7422). */
  | {
      readonly kind: 'block'
      readonly blockSize: number
      readonly low: number
      readonly high: number
    }
  | { readonly kind: 'random'; readonly low: number; readonly high: number }
  | { readonly kind: 'unknown' }

export interface FittedAllocation {
  readonly value: PortAllocation
  readonly confidence: number
}

/** Fewer cannot tell parity (one in 2⁸ by chance) from random. */
const LEAST_SAMPLES = 8

/** Ports from 1024 on. */
const PORT_COUNT = 64_512

/** The share of ports that fit no rule: a retransmission that overtook, a port that was taken. */
const OUTLIERS = 0.02

/**
 * Parity is a matter of the local port alone: nothing that overtakes breaks it, only that no port of that kind was free. And
 * few NATs keep it, so that chance is the likelier reason for fifteen matches of sixteen (one random NAT in 4000).
 */
const PARITY_OUTLIERS = 0.0002
const PARITY_PRIOR = 1 / 16

/** How often another host's flow takes the port in between. */
const FOREIGN = 0.3

/** Larger steps are not believed to be steps. */
const LARGEST_STEP = 256

/** Carriers give 64 to 4096 ports to a subscriber. */
const LARGEST_BLOCK = 4096
const SMALLEST_BLOCK = 64

interface Candidate {
  readonly value: PortAllocation
  readonly logLikelihood: number
}

export function fitAllocation(samples: readonly PortSample[]): FittedAllocation {
  if (samples.length < LEAST_SAMPLES) return { value: { kind: 'unknown' }, confidence: 0 }
  const candidates = [preserved(samples), bestStep(samples), parity(samples), ranged(samples)]
  const [best] = candidates.sort((a, b) => b.logLikelihood - a.logLikelihood)
  if (best === undefined) return { value: { kind: 'unknown' }, confidence: 0 }
  const shares = candidates.map((other) => Math.exp(other.logLikelihood - best.logLikelihood))
  const share = 1 / shares.reduce((sum, value) => sum + value, 0)
  return { value: best.value, confidence: Math.min(0.99, Math.floor(share * 100) / 100) }
}

function preserved(samples: readonly PortSample[]): Candidate {
  const logLikelihood = sumOf(samples, ({ local, mapped }) =>
    Math.log(local === mapped ? 1 - OUTLIERS : OUTLIERS / PORT_COUNT),
  )
  return { value: { kind: 'preserve' }, logLikelihood }
}

function bestStep(samples: readonly PortSample[]): Candidate {
  const distances = samples
    .slice(1)
    .map(({ mapped }, index) => mapped - (samples[index]?.mapped ?? mapped))
  const steps = new Set(distances.filter((d) => d !== 0 && Math.abs(d) <= LARGEST_STEP))
  const prior = -Math.log(2 * LARGEST_STEP * PORT_COUNT) // of this step, and of the first port
  const candidates = [...steps].map((step) => ({
    value: { kind: 'step', step } as const,
    logLikelihood: prior + sumOf(distances, (distance) => logOfDistance(distance, step)),
  }))
  const [best] = candidates.sort((a, b) => b.logLikelihood - a.logLikelihood)
  return best ?? { value: { kind: 'unknown' }, logLikelihood: -Infinity }
}

function logOfDistance(distance: number, step: number): number {
  const skipped = distance / step - 1
  const isWhole = Number.isInteger(skipped) && skipped >= 0
  return isWhole
    ? Math.log((1 - OUTLIERS) * (1 - FOREIGN)) + skipped * Math.log(FOREIGN)
    : Math.log(OUTLIERS / PORT_COUNT)
}

function parity(samples: readonly PortSample[]): Candidate {
  const { low, high } = rangeOf(samples)
  const chosen = sumOf(samples, ({ local, mapped }) =>
    Math.log(2 * (local % 2 === mapped % 2 ? 1 - PARITY_OUTLIERS : PARITY_OUTLIERS)),
  )
  return {
    value: { kind: 'parity', low, high },
    logLikelihood: Math.log(PARITY_PRIOR) + logOfRange(samples) + chosen,
  }
}

function ranged(samples: readonly PortSample[]): Candidate {
  const { low, high } = rangeOf(samples)
  const blockSize = blockSizeOf(samples)
  const value: PortAllocation =
    blockSize === undefined
      ? { kind: 'random', low, high }
      : { kind: 'block', blockSize, low, high }
  return { value, logLikelihood: logOfRange(samples) }
}

/** Evidence for "uniform in some range", over all ranges that hold the samples. */
function logOfRange(samples: readonly PortSample[]): number {
  const count = samples.length
  const ports = samples.map(({ mapped }) => mapped)
  const width = Math.max(...ports) - Math.min(...ports) + 1
  return (
    Math.log(2) -
    2 * Math.log(PORT_COUNT) -
    Math.log(count * (count - 1)) -
    (count - 2) * Math.log(width)
  )
}

/** A power of two near what the spread suggests: `n` samples span (n-1)/(n+1) of their range on average. */
function blockSizeOf(samples: readonly PortSample[]): number | undefined {
  const ports = samples.map(({ mapped }) => mapped)
  const spread = Math.max(...ports) - Math.min(...ports) + 1
  const suggested = (spread * (samples.length + 1)) / (samples.length - 1)
  const size = 2 ** Math.max(Math.round(Math.log2(suggested)), Math.ceil(Math.log2(spread)))
  return size > LARGEST_BLOCK ? undefined : Math.max(size, SMALLEST_BLOCK)
}

/** The ranges that implementations are known to draw from; the narrowest that holds the samples and is well filled. */
const USUAL_RANGES = [
  { low: 49_152, high: 65_535 },
  { low: 32_768, high: 60_999 },
  { low: 32_768, high: 65_535 },
  { low: 16_384, high: 65_535 },
  { low: 1024, high: 65_535 },
] as const

const WELL_FILLED = 0.6

function rangeOf(samples: readonly PortSample[]): { readonly low: number; readonly high: number } {
  const ports = samples.map(({ mapped }) => mapped)
  const observed = { low: Math.min(...ports), high: Math.max(...ports) }
  const width = observed.high - observed.low
  const usual = USUAL_RANGES.find(
    ({ low, high }) =>
      low <= observed.low && observed.high <= high && width >= WELL_FILLED * (high - low),
  )
  return usual ?? observed
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0)
}
