/** More letters off than this is another word, not a slip of the finger. */
const MOST_SLIPS = 3

/** The word that somebody meant who wrote one that there is not; `undefined` where none is near. */
export function closestWord(written: string, words: readonly string[]): string | undefined {
  let best: { readonly word: string; readonly slips: number } | undefined
  for (const word of words) {
    const slips = slipsBetween(written.toLowerCase(), word)
    const isNear = slips <= MOST_SLIPS && slips < word.length / 2
    if (isNear && slips < (best?.slips ?? Infinity)) best = { word, slips }
  }
  return best?.word
}

/** Letters to leave out, put in, exchange for another or for their neighbour (Damerau and Levenshtein). */
function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const at = (up: number, left: number): number => rows[i - up]?.[j - left] ?? Infinity
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          at(1, 0) + 1,
          (row[j - 1] ?? Infinity) + 1,
          at(1, 1) + (isSame ? 0 : 1),
          isSwapped ? at(2, 2) + 1 : Infinity,
        ),
      )
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] ?? Infinity
}
