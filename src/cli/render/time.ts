/** `2026-11-22 06:17:38` on the reader's clock; what is no date is shown as it came. */
export function localTime(iso: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return iso
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
  return `${day.map(twoDigits).join('-')} ${time.map(twoDigits).join(':')}`
}

/** Milliseconds as people say them: `0.42 ms`, `12 ms`, `1.3 s`. */
export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  if (ms >= 10) return `${ms.toFixed(0)} ms`
  return `${ms.toFixed(ms >= 1 ? 1 : 2)} ms`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
