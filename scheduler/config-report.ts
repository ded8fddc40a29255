import { SluiceError } from '../errors.js'
import type { Json, JsonObject } from '../json.js'
import type { TextProblem } from './dag/guard.js'
import type { ParsedYaml } from './dag/parse.js'
import { didYouMean, listed } from './dag/suggest.js'
import type { Path } from './dag/tree.js'

/** Reads values of `sluice.yaml` and collects every mistake at its place, so that all of them are told at once. */
export class ConfigReport {
  readonly #problems: TextProblem[] = []

  /** @param yaml null for a file that is not there or empty */
  constructor(readonly yaml: ParsedYaml | null) {
    if (yaml !== null && !isMap(yaml.value)) this.add([], 'the file must be a map', 'for example `dags: ./dags`')
  }

  static error(problems: readonly TextProblem[]): SluiceError {
    const inOrder = [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
    const lines = inOrder.map(({ line, column, message, hint }) => {
      return `sluice.yaml:${line}:${column}: ${message}${hint === '' ? '' : ` (${hint})`}`
    })
    return new SluiceError('CONFIG_INVALID', lines.join('\n'))
  }

  /** @throws SluiceError CONFIG_INVALID when there is anything to tell */
  throwProblems(): void {
    if (this.#problems.length > 0) throw ConfigReport.error(this.#problems)
  }

  add(path: Path, message: string, hint: string, at: 'key' | 'value' = 'value'): void {
    this.#problems.push({ ...(this.yaml?.position(path, at) ?? { line: 1, column: 1 }), message, hint })
  }

  onlyKeys(path: Path, accepted: readonly string[]): void {
    const value = this.#value(path)
    if (!isMap(value)) return
    for (const key of Object.keys(value)) {
      if (accepted.includes(key)) continue
      const hint = didYouMean(key, accepted) || `accepted are ${listed(accepted)}`
      this.add([...path, key], `unknown key \`${key}\``, hint, 'key')
    }
  }

  text(path: Path, standard: string): string {
    const value = this.#value(path)
    if (typeof value === 'string' && value !== '') return value
    if (value !== undefined)
      this.add(path, `\`${path.at(-1)}\` must be text`, standard === '' ? '' : `default is ${standard}`)
    return standard
  }

  map(path: Path): JsonObject {
    const value = this.#value(path)
    if (isMap(value)) return value
    if (value !== undefined) this.add(path, `\`${path.at(-1)}\` must be a map of names`, '')
    return {}
  }

  /** A map of maps, by name. */
  maps(path: Path): Record<string, JsonObject> {
    const maps: Record<string, JsonObject> = {}
    for (const [name, value] of Object.entries(this.map(path))) {
      if (isMap(value)) maps[name] = value
      else this.add([...path, name], `\`${name}\` must be a map`, '')
    }
    return maps
  }

  #value(path: Path): Json | undefined {
    let value: Json | undefined = this.yaml?.value
    for (const key of path) value = isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined
    return value
  }
}

function isMap(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
