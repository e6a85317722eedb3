import { readFileSync } from 'node:fs'

/** For the store, whose writes must not fail because too many clients came; for UDP, logs and administration. */
const KEPT_DESCRIPTORS = 64

/** How many connections the process's limit of open files leaves room for; `undefined` where the system does not tell. */
export function roomForConnections(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const most = /^Max open files +(\d+)/m.exec(limits)?.[1]
    return most === undefined ? undefined : Math.max(1, Number(most) - KEPT_DESCRIPTORS)
  } catch {
    return undefined
  }
}
