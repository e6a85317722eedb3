/**
 * Peers choose their names and texts; a terminal obeys what it is sent. Whatever could move the cursor, recolour the
 * screen, set the clipboard or turn the reading direction is therefore shown, not sent: `\x1b[2J`, `\u202e`.
 */

/* Control characters (C0 without tab, DEL, C1), Arabic letter mark and bidirectional controls (the "Trojan Source"
   set), line and paragraph separators, and halves of surrogate pairs, which are no characters at all. */
const DANGEROUS =
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu

/** One line of a stranger's text, safe to print. */
export function visibleText(text: string): string {
  return text.replace(DANGEROUS, escaped)
}

/** A stranger's text of several lines: each line after the first is indented, so that it cannot pose as ours. */
export function visibleBody(text: string, indent: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => visibleText(line))
    .join(`\n${indent}`)
}

/** JSON on one line that is also safe on a terminal: what `JSON.stringify` leaves bare is escaped, the value is the same. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(DANGEROUS, unicodeEscape)
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(character)
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
