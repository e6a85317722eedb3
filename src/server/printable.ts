/** More of a client's own words than this is nothing that an operator wants in a log line. */
const MOST_CHARS = 64

/**
 * A stranger's text for the log: printable ASCII, everything else as `\u{…}`, cut to a readable length. So it can
 * neither steer the terminal that shows the log, nor turn its direction, nor look like a line of its own.
 */
export function printable(text: string): string {
  const shown = text.slice(0, MOST_CHARS).replace(/[^\x20-\x5b\x5d-\x7e]/gu, escaped)
  return text.length > MOST_CHARS ? `${shown}…` : shown
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
