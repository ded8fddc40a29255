/** A text of the query or of a form; '' when it is missing, repeated or structured. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}

/** One of `values`, else the first of them. */
export function oneOf<T extends string>(value: unknown, values: readonly [T, ...T[]]): T {
  return values.find((allowed) => allowed === value) ?? values[0]
}

/** A whole number within bounds; null when it is none. */
export function wholeNumber(value: unknown, min: number, max: number): number | null {
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) return null
  const number = Number(value)
  return number >= min && number <= max ? number : null
}

/** A path with a query; entries that are '' are left out. */
export function href(path: string, query: Record<string, string | number> = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== '') search.set(name, String(value))
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}

/** A path whose variable parts are escaped: `` path`/dags/${id}` ``. */
export function path(strings: TemplateStringsArray, ...parts: string[]): string {
  return strings
    .map((text, place) => text + (place < parts.length ? encodeURIComponent(parts[place] ?? '') : ''))
    .join('')
}
