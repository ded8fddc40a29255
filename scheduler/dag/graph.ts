/** Which tasks each task needs, in the order of the file. Every id in a value is also a key. */
export type Needs = ReadonlyMap<string, readonly string[]>

/** Tasks so that each comes after all it needs; ties keep the order of the file. Only for graphs without a cycle. */
export function topologicalOrder(needs: Needs): string[] {
  const ids = [...needs.keys()]
  const position = new Map(ids.map((id, index) => [id, index]))
  const waiting = new Map(ids.map((id) => [id, new Set(needs.get(id)).size]))
  const dependents = new Map<string, string[]>(ids.map((id) => [id, []]))
  for (const [id, upstream] of needs) for (const one of new Set(upstream)) dependents.get(one)?.push(id)
  const ready = new Heap(ids.filter((id) => waiting.get(id) === 0).map((id) => position.get(id) ?? 0))
  const order: string[] = []
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    const id = ids[index] ?? ''
    order.push(id)
    for (const dependent of dependents.get(id) ?? []) {
      const left = (waiting.get(dependent) ?? 0) - 1
      waiting.set(dependent, left)
      if (left === 0) ready.push(position.get(dependent) ?? 0)
    }
  }
  return order
}

/** One cycle, its first task also last (`a -> b -> a`), from the earliest task of the file that is in one; null for none. */
export function findCycle(needs: Needs): string[] | null {
  const done = new Set<string>()
  for (const start of needs.keys()) {
    const path: string[] = []
    const onPath = new Set<string>()
    // an explicit stack: a chain of ten thousand tasks must not exhaust that of the program
    const stack: { id: string; next: number }[] = []
    const enter = (id: string) => {
      stack.push({ id, next: 0 })
      path.push(id)
      onPath.add(id)
    }
    if (!done.has(start)) enter(start)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const upstream = needs.get(top.id)?.[top.next++]
      if (upstream === undefined) {
        done.add(top.id)
        onPath.delete(top.id)
        path.pop()
        stack.pop()
      } else if (onPath.has(upstream)) return [...path.slice(path.indexOf(upstream)), upstream]
      else if (!done.has(upstream)) enter(upstream)
    }
  }
  return null
}

/** Every task before `id`, direct or not. */
export function upstreamOf(needs: Needs, id: string): Set<string> {
  const found = new Set<string>()
  const open = [...(needs.get(id) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue
    found.add(next)
    open.push(...(needs.get(next) ?? []))
  }
  return found
}

/** Heading of each task in the grid: the part before the first `_`, when several tasks share it; else ''. */
export function groupsOf(ids: readonly string[]): Map<string, string> {
  const prefixOf = (id: string) => (id.includes('_') ? id.slice(0, id.indexOf('_')) : '')
  const counts = new Map<string, number>()
  for (const id of ids) counts.set(prefixOf(id), (counts.get(prefixOf(id)) ?? 0) + 1)
  return new Map(ids.map((id) => [id, (counts.get(prefixOf(id)) ?? 0) > 1 ? prefixOf(id) : '']))
}

/** Smallest number first. */
class Heap {
  readonly #items: number[] = []

  constructor(items: readonly number[]) {
    for (const item of items) this.push(item)
  }

  push(item: number): void {
    let at = this.#items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#at(parent) <= item) break
      this.#items[at] = this.#at(parent)
      at = parent
    }
    this.#items[at] = item
  }

  pop(): number | undefined {
    const first = this.#items[0]
    const last = this.#items.pop()
    if (last === undefined || this.#items.length === 0) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (this.#at(child) >= last) break
      this.#items[at] = this.#at(child)
      at = child
    }
    this.#items[at] = last
    return first
  }

  #at(index: number): number {
    return this.#items[index] ?? Number.POSITIVE_INFINITY
  }
}
