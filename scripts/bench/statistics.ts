export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** Nearest rank: a value that was there. 0 of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
}

export function spread(values: readonly number[], shown: (value: number) => string): string {
  return `${shown(Math.min(...values))}–${shown(Math.max(...values))}`
}
