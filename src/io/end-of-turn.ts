/** What waits for the end of the event loop's turn, with one timer of Node's for all of it. */

let waiting: (() => void)[] = [] // as many as asked within one turn

/** `act` is called once everything that came in with this turn of the event loop has been handled. It must not throw. */
export function atEndOfTurn(act: () => void): void {
  waiting.push(act)
  if (waiting.length === 1) setImmediate(actAll)
}

function actAll(): void {
  const due = waiting
  waiting = []
  for (const act of due) act()
}
