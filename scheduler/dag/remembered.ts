const LIMIT = 1_000

/** The same function with a bounded memory, for answers that depend on a text alone and of which a project has few. */
export function remembered<Answer>(answer: (text: string) => Answer): (text: string) => Answer {
  const known = new Map<string, Answer>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const now = answer(text)
    if (known.size >= LIMIT) known.clear()
    known.set(text, now)
    return now
  }
}
