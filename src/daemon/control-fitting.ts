/** So much of a list goes into one answer: well within a line, and small enough to wait in memory for a slow reader. */
const MAX_LIST_BYTES = 512 * 1024

/** The first items whose JSON fits into an answer; at least one, where there is one. */
export async function fitting<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const taken: T[] = []
  let bytes = 0
  for await (const item of items) {
    bytes += Buffer.byteLength(JSON.stringify(item))
    if (taken.length > 0 && bytes > MAX_LIST_BYTES) break
    taken.push(item)
  }
  return taken
}

export async function* mapped<T, U>(
  items: AsyncIterable<T>,
  transform: (item: T) => U,
): AsyncIterable<U> {
  for await (const item of items) yield transform(item)
}
