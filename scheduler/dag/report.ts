import type { Origin } from './compose.js'
import type { Finding } from './explain.js'
import { LIMITS, type Position } from './guard.js'
import type { Problem } from './model.js'
import type { ParsedYaml } from './parse.js'
import { type Path, pathText } from './tree.js'

/** Collects what is wrong with one DAG, each at its place. */
export class Report {
  readonly problems: Problem[] = []
  /** where in the composed document something is wrong */
  readonly #paths: string[] = []
  readonly #seen = new Set<string>()

  /** @param origin where something in the DAG was written: in its file, or in one that it takes something over from */
  constructor(readonly origin: (path: Path) => Origin) {}

  error(path: Path, at: 'key' | 'value', message: string, hint = ''): void {
    this.add({ path, at, message, hint })
  }

  add(finding: Finding): void {
    if (this.isFull()) return
    const { path, at, message, hint } = finding
    const { file, yaml, path: written } = this.origin(path)
    this.#push(file, yaml.position(written, at), path, message, hint)
  }

  /** A fault at a place inside the text that stands at `path`. */
  inText(path: Path, place: Position, message: string, hint: string): void {
    if (this.isFull()) return
    const { file, yaml, path: written } = this.origin(path)
    this.#push(file, placeInText(yaml, written, place), path, message, hint)
  }

  /** A fault inside a file that the value at `path` names. */
  inFile(file: string, position: Position, path: Path, message: string, hint: string): void {
    this.#push(file, position, path, message, hint)
  }

  /** True when so much is wrong that looking further tells nobody anything. */
  isFull(): boolean {
    return this.problems.length >= 2 * LIMITS.problems
  }

  hasErrors(): boolean {
    return this.problems.some(({ severity }) => severity === 'error')
  }

  /** True when nothing at or below the path has been reported. */
  isGood(path: Path): boolean {
    const text = pathText(path)
    return !this.#paths.some((path) => path === text || path.startsWith(`${text}.`) || path.startsWith(`${text}[`))
  }

  #push(file: string, position: Position, path: Path, message: string, hint: string): void {
    if (this.isFull()) return
    const { line, column } = position
    this.#paths.push(pathText(path))
    const problem: Problem = {
      ...{ file, line, column, path: pathText(this.origin(path).path) },
      ...{ severity: 'error', message, hint },
    }
    // a template that several tasks use is wrong once
    const key = JSON.stringify(problem)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.problems.push(problem)
  }
}

/**
 * Where a place inside a YAML text stands in the file: exact for text on one line and for literal blocks (`|`), the start of
 * the text for others.
 */
function placeInText(yaml: ParsedYaml, path: Path, place: Position): Position {
  const start = yaml.position(path, 'value')
  const lines = yaml.text.split('\n')
  const first = (lines[start.line - 1] ?? '')[start.column - 1]
  if (first === '|') {
    const line = lines[start.line + place.line - 1] ?? ''
    // the block is indented as far as its first line
    const indent = /^ */.exec(lines.slice(start.line).find((one) => one.trim() !== '') ?? '')?.[0].length ?? 0
    return { line: start.line + place.line, column: Math.min(indent + place.column, line.length + 1) }
  }
  if (place.line > 1 || first === '>') return start
  return { line: start.line, column: start.column + place.column - (first === '"' || first === "'" ? 0 : 1) }
}

/** By file, then by place. */
export function sortedProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column,
  )
}
