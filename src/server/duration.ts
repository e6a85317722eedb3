import { type Decoded, decoded, malformed } from '../core/decoded.ts'

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
}

/** `90s`, `15m`, `36h`, `7d`, in milliseconds. */
export function readDuration(text: string): Decoded<number> {
  const match = /^(\d{1,6})([smhd])$/.exec(text)
  const unit = UNITS[match?.[2] ?? '']
  if (match === null || unit === undefined) {
    return malformed('Expected a number and s, m, h or d: 90s, 15m, 36h, 7d.')
  }
  return decoded(Number(match[1]) * unit)
}
