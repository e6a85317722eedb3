/** Escape sequences of `paint` take no room on the screen. */
// eslint-disable-next-line no-control-regex -- they begin with ESC
const COLOURS = /\u001b\[\d+m/g

/** Rows as a table without lines: each column as wide as its widest cell, two spaces between. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(cell))
    })
  }
  return rows.map((row) => line(row, widths)).join('\n')
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
    .join('  ')
    .trimEnd()
}

function width(cell: string): number {
  return Array.from(cell.replace(COLOURS, '')).length
}
