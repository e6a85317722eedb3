/** Does `work` with each item, at most `atOnce` at a time: two cores that do too much at once measure nothing. */
export async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  const workers = Array.from({ length: atOnce }, async () => {
    for (const item of waiting) await work(item)
  })
  await Promise.all(workers)
}
