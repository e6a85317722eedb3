const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** Node's timers take 32 bits; a longer wait is not meant seriously. */
const MAX_DURATION_MS = 24 * UNIT_MS.h

/** Reads `500ms`, `30s`, `2m`, `1.5h`; a bare number is seconds. `undefined` for anything else, and beyond a day. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  if (match === null) return undefined
  const unit = (match[2] ?? 's') as keyof typeof UNIT_MS
  const ms = Math.round(Number(match[1]) * UNIT_MS[unit])
  return ms > 0 && ms <= MAX_DURATION_MS ? ms : undefined
}
