/** What the controller is doing; `bbr.ts` says how it gets from one to the next. */
export type BbrState =
  'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt' | 'compete'

/** One of the four states that follow one another while all goes well. */
export function isCycling(state: BbrState): boolean {
  return state === 'down' || state === 'cruise' || state === 'refill' || state === 'up'
}

/** More is sent than the path is known to carry, or about to be: loss and queue are expected. */
export function isProbing(state: BbrState): boolean {
  return state === 'startup' || state === 'refill' || state === 'up'
}

/** Less is under way than would fill the path, so that a queue goes. */
export function isMakingRoom(state: BbrState): boolean {
  return state === 'drain' || state === 'down' || state === 'probe-rtt'
}
