/**
 * Does `work` with each item, at most `atOnce` at a time: two cores that do too much at once measure nothing. After a
 * failure nothing more is begun, and what had begun has ended when it is told.
 */
export async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  const failures: unknown[] = []
  const workers = Array.from({ length: atOnce }, async () => {
    for (const item of waiting) {
      if (failures.length > 0) return
      await work(item).catch((error: unknown) => failures.push(error))
    }
  })
  await Promise.all(workers)
  if (failures.length > 0) throw failures[0]
}
