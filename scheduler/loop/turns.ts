/**
 * What waits, in lines that take turns: a line of thousands costs one of another line no more than one turn. Within a line
 * who came first goes first.
 */
export class Turns {
  readonly #lineOf: (id: string) => string
  /** in the order of their turns; none is empty */
  readonly #lines = new Map<string, Set<string>>()

  /** @param lineOf names the line that an id waits in */
  constructor(lineOf: (id: string) => string) {
    this.#lineOf = lineOf
  }

  /** Waits at the end of its line; one that waits already keeps its place. */
  add(id: string): void {
    const name = this.#lineOf(id)
    const line = this.#lines.get(name)
    if (line === undefined) this.#lines.set(name, new Set([id]))
    else line.add(id)
  }

  /**
   * Takes out who goes next; its line then goes behind the others.
   * @param mayGo who says no keeps its place, and those behind it may go
   */
  take(mayGo: (id: string) => boolean): string | null {
    for (const [name, line] of this.#lines) {
      for (const id of line) {
        if (!mayGo(id)) continue
        line.delete(id)
        this.#lines.delete(name)
        if (line.size > 0) this.#lines.set(name, line)
        return id
      }
    }
    return null
  }

  clear(): void {
    this.#lines.clear()
  }
}
