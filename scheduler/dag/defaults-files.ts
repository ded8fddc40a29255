import { posix } from 'node:path'
import { isObject, type Json, type JsonObject, type JsonSchema } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { guardBytes } from './guard.js'
import { DEFAULTS_FILE, type Problem } from './model.js'
import { type ParsedYaml, parseYaml } from './parse.js'
import { remembered } from './remembered.js'
import { pathText } from './tree.js'
import { validatorFor } from './validate.js'

const KEYS = ['owner', 'tags', 'defaults', 'templates'] as const

/** A YAML text and where it stands: problems found in what was put together from several point into the right one. */
export interface Source {
  /** path below the DAGs folder */
  file: string
  yaml: ParsedYaml
}

/** The schema of such a file: some of the keys of a DAG. */
export function defaultsFileSchema(dagSchema: JsonSchema): JsonSchema {
  const properties = isObject(dagSchema.properties) ? dagSchema.properties : {}
  return {
    title: 'Sluice defaults',
    description: `What the DAGs of a folder share (${DEFAULTS_FILE}).`,
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(KEYS.map((key) => [key, (properties[key] ?? {}) as Json])),
  }
}

type Reading = { yaml: ParsedYaml; document: JsonObject } | { problems: Omit<Problem, 'file'>[] }

const readers = new WeakMap<ReadonlyMap<string, Operator>, (text: string) => Reading>()

/** The same text is read once, however many DAGs share it. */
function readerFor(operators: ReadonlyMap<string, Operator>): (text: string) => Reading {
  const known = readers.get(operators)
  if (known !== undefined) return known
  const reader = remembered((text) => read(text, operators))
  readers.set(operators, reader)
  return reader
}

function read(text: string, operators: ReadonlyMap<string, Operator>): Reading {
  const guarded = guardBytes(Buffer.from(text))
  const parsed = 'problem' in guarded ? { problems: [guarded.problem] } : parseYaml(guarded.text)
  if ('problems' in parsed) {
    return { problems: parsed.problems.map((problem) => ({ path: '', severity: 'error', ...problem })) }
  }
  const { yaml } = parsed
  const found = validatorFor(operators).findingsInDefaults(yaml.value)
  if (found.length === 0) return { yaml, document: isObject(yaml.value) ? (yaml.value as JsonObject) : {} }
  return {
    problems: found.map(({ path, at, message, hint }) => {
      return { ...yaml.position(path, at), path: pathText(path), severity: 'error', message, hint }
    }),
  }
}

/**
 * The defaults files that a DAG stands below, the outermost first.
 * @param file the DAG file, below the DAGs folder
 * @param textOf gives the text of a file by its path relative to the DAG file; null when there is none
 */
export function defaultsAbove(
  file: string,
  textOf: (path: string) => { text: string } | { message: string; hint: string } | null,
  operators: ReadonlyMap<string, Operator>,
): { sources: (Source & { document: JsonObject })[]; problems: Problem[] } {
  const sources: (Source & { document: JsonObject })[] = []
  const problems: Problem[] = []
  const folder = posix.dirname(file)
  const depth = folder === '.' ? 0 : folder.split('/').length
  for (let up = depth; up >= 0; up -= 1) {
    const path = `${'../'.repeat(up)}${DEFAULTS_FILE}`
    const place = posix.join(folder, path)
    const found = textOf(path)
    if (found === null) continue
    if ('message' in found) {
      problems.push({ file: place, line: 1, column: 1, path: '', severity: 'error', ...found })
      continue
    }
    const reading = readerFor(operators)(found.text)
    if ('problems' in reading) problems.push(...reading.problems.map((problem) => ({ ...problem, file: place })))
    else sources.push({ file: place, ...reading })
  }
  return { sources, problems }
}
