import type { Clock } from '../core/clock.ts'
import { after } from '../core/instant.ts'
import { Alarm } from '../io/alarm.ts'

/** Waits for `work`, but no longer than `ms`: then it fails with what `tooLate` makes, and the work's outcome is nobody's. */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  tooLate: () => Error,
): Promise<T> {
  let alarm: Alarm | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    alarm = new Alarm(clock, () => reject(tooLate()))
    alarm.set(after(clock.now(), ms))
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    alarm?.clear()
  }
}

/** Calls `task` every `ms` until the returned function is called. */
export function every(clock: Clock, ms: number, task: () => void): () => void {
  const alarm = new Alarm(clock, (now) => {
    alarm.set(after(now, ms))
    task()
  })
  alarm.set(after(clock.now(), ms))
  return () => alarm.clear()
}
