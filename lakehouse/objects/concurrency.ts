/**
 * Runs `work` for every item, at most `limit` at once. After the first failure no further item is begun; it rejects with
 * that failure once what had begun is over, so nothing goes on behind the caller's back.
 */
export async function eachBounded<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  const rest = items[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && failures.length === 0; next = rest.next()) {
      await work(next.value).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: limit }, lane))
  if (failures.length > 0) throw failures[0]
}

/** The results of `work` for all items, in their order, at most `limit` at work at once; otherwise like `eachBounded`. */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Map<number, Result>()
  await eachBounded(items.entries(), limit, async ([index, item]) => {
    results.set(index, await work(item))
  })
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result)
}
