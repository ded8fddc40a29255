import type { Json } from '../../json.js'
import { printable } from '../../operators/process/log-lines.js'

export const MASK = '********'
/** Shorter lines of a secret of several lines are words of its format (`}`), not secrets. */
const MIN_LINE = 4

/** Hides secrets in everything an attempt says. It knows each secret in the forms in which programs print it. */
export class Masking {
  readonly #forms = new Set<string>()
  #pattern: RegExp | null = null
  #longest = 0

  /** From now on the secret is hidden. */
  add(secret: string): void {
    for (const form of formsOf(secret)) {
      this.#forms.add(form)
      this.#longest = Math.max(this.#longest, form.length)
    }
    this.#pattern = null
  }

  /** Characters of the longest form of a secret; 0 when there is none. */
  get longest(): number {
    return this.#longest
  }

  text(text: string): string {
    if (this.#forms.size === 0) return text
    this.#pattern ??= patternOf(this.#forms)
    return text.replace(this.#pattern, MASK)
  }

  /** All texts of a value, keys too. */
  json<Value extends Json>(value: Value): Value {
    return this.#forms.size === 0 ? value : (this.#masked(value) as Value)
  }

  #masked(value: Json): Json {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) return value.map((item) => this.#masked(item))
    if (typeof value === 'number') return this.text(String(value)) === String(value) ? value : MASK
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.#masked(item)]))
  }
}

/** As it is, line by line, with control characters made visible, inside JSON, inside a URL, and in base64. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r\n|\r|\n/)
  const forms = [
    secret,
    printable(Buffer.from(secret)),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    ...(lines.length > 1 ? lines.filter((line) => line.trim().length >= MIN_LINE).map(printableLine) : []),
  ]
  return forms.filter((form) => form !== '')
}

function printableLine(line: string): string {
  return printable(Buffer.from(line))
}

/** The longest form first, so that no part of a secret stays visible beside the mask of a shorter one. */
function patternOf(forms: ReadonlySet<string>): RegExp {
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
}
