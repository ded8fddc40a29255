import { isObject, type Json, type JsonObject } from '../../json.js'
import type { Source } from './defaults-files.js'
import { rowsTask, rowsTaskId } from './for-each.js'
import type { Path } from './tree.js'

/** Where something in a composed document was written. */
export interface Origin extends Source {
  path: Path
}

/** A DAG with what it takes over from templates and defaults files written out. */
export interface Composed {
  value: JsonObject
  origin(path: Path): Origin
  /** tasks that name a template there is none of */
  unknown: { task: string; template: string }[]
  /** queries of `for_each` that cannot run where they stand */
  misplaced: { path: Path; message: string; hint: string }[]
  /** names of all templates that the DAG may use */
  templates: string[]
  /** values that templates add, all tasks together */
  added: number
}

/**
 * Puts a DAG together: what the file itself says goes before what defaults files say, the nearest before those further up;
 * within a task its own keys before those of the template it uses, maps (an operator's, `env`, `outputs`) key by key.
 * @param above the defaults files that apply, the outermost first
 */
export function compose(
  own: Source,
  document: JsonObject,
  above: readonly (Source & { document: JsonObject })[],
): Composed {
  const places = new Places(own)
  const value: JsonObject = { ...document }
  for (const source of above.toReversed()) {
    for (const key of ['owner', 'tags'] as const) {
      if (value[key] !== undefined || source.document[key] === undefined) continue
      value[key] = source.document[key]
      places.set([key], { ...source, path: [key] })
    }
    for (const key of ['defaults', 'templates'] as const) {
      if (isObject(source.document[key]))
        value[key] = merged(value[key], source.document[key], [key], { ...source, path: [key] }, places)
    }
  }
  const templates = isObject(value.templates) ? value.templates : {}
  const unknown: Composed['unknown'] = []
  const sizes = new Map<string, number>()
  let added = 0
  const misplaced: Composed['misplaced'] = []
  if (isObject(value.tasks)) {
    value.tasks = Object.fromEntries(
      Object.entries(value.tasks as JsonObject).map(([id, task]) => {
        if (!isObject(task) || typeof task.use !== 'string') return [id, task]
        const { use, ...rest } = task as JsonObject & { use: string }
        const template = Object.hasOwn(templates, use) ? templates[use] : undefined
        if (!isObject(template)) {
          unknown.push({ task: id, template: use })
          return [id, rest]
        }
        if (!sizes.has(use)) sizes.set(use, valuesIn(template as JsonObject))
        added += sizes.get(use) ?? 0
        return [id, withTemplate(rest, template as JsonObject, ['tasks', id], places.of(['templates', use]), places)]
      }),
    )
    value.tasks = withQueries(value.tasks as JsonObject, places, misplaced)
  }
  return { value, unknown, misplaced, added, templates: Object.keys(templates), origin: (path) => places.of(path) }
}

function withTemplate(task: JsonObject, template: JsonObject, path: Path, origin: Origin, places: Places): JsonObject {
  const result: JsonObject = { ...task }
  for (const [key, inner] of Object.entries(template)) {
    const from = { ...origin, path: [...origin.path, key] }
    if (isObject(inner) && isObject(result[key])) result[key] = merged(result[key], inner, [...path, key], from, places)
    else if (result[key] === undefined) {
      result[key] = inner
      places.set([...path, key], from)
    }
  }
  return result
}

/** Keys of the task that those of the task beside it follow: where it runs, and how often. */
const ALSO_OF_THE_QUERY = [
  'needs',
  'trigger_rule',
  'retries',
  'retry_delay',
  'timeout',
  'queue',
  'priority',
  'group',
] as const
/** Rules that do not wait for all upstream tasks, so not for the query either. */
const HASTY_RULES: readonly unknown[] = ['one_success', 'one_failed', 'all_failed', 'always']

/** A query of `for_each` becomes a task of its own before the one it belongs to, so it runs on a worker, with retries and a log. */
function withQueries(tasks: JsonObject, places: Places, misplaced: Composed['misplaced']): JsonObject {
  const result: JsonObject = {}
  for (const [id, task] of Object.entries(tasks)) {
    const forEach = isObject(task) ? task.for_each : undefined
    if (!isObject(task) || !isObject(forEach) || typeof forEach.query !== 'string' || forEach.in !== undefined) {
      result[id] = task
      continue
    }
    const refused = misplaced.length
    const before = rowsTaskId(id)
    const path = ['tasks', id, 'for_each', 'query']
    const refuse = (message: string, hint: string) => misplaced.push({ path, message, hint })
    const needs = Array.isArray(task.needs) ? task.needs : []
    const branch = needs.find(
      (need) => typeof need === 'string' && isObject(tasks[need]) && Object.hasOwn(tasks[need], 'branch'),
    )
    if (Object.hasOwn(tasks, before))
      refuse(`its query would run as a task \`${before}\`, which is there already`, 'rename one')
    if (branch !== undefined) refuse('a query cannot stand directly behind a branch', 'put a task between them')
    if (HASTY_RULES.includes(task.trigger_rule)) {
      refuse(
        `with \`trigger_rule: ${task.trigger_rule}\` the task would not wait for its query`,
        'use another rule, or an output of a task before it',
      )
    }
    if (misplaced.length > refused) {
      result[id] = task
      continue
    }
    const { query, connection, ...rest } = forEach as JsonObject & { query: string }
    const copied = Object.fromEntries(
      ALSO_OF_THE_QUERY.flatMap((key) => (task[key] === undefined ? [] : [[key, task[key] as Json]])),
    )
    result[before] = { ...copied, ...rowsTask({ query, ...(connection === undefined ? {} : { connection }) }) }
    result[id] = {
      ...(task as JsonObject),
      needs: [...needs, before],
      for_each: { ...rest, in: `tasks.${before}.outputs.rows` },
    }
    places.set(['tasks', before], places.of(['tasks', id]))
    places.set(['tasks', before, 'sql'], places.of(['tasks', id, 'for_each']))
  }
  return result
}

function valuesIn(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, inner) => sum + valuesIn(inner), 1)
}

/** `over` with the keys that it lacks. */
function merged(over: Json | undefined, under: object, path: Path, origin: Origin, places: Places): Json {
  if (over !== undefined && !isObject(over)) return over
  const result: JsonObject = { ...(over as JsonObject | undefined) }
  for (const [key, inner] of Object.entries(under as JsonObject)) {
    if (result[key] !== undefined) continue
    result[key] = inner
    places.set([...path, key], { ...origin, path: [...origin.path, key] })
  }
  return result
}

/** What was taken over from elsewhere, by where it stands now. */
class Places {
  readonly #own: Source
  readonly #origins = new Map<string, Origin>()

  constructor(own: Source) {
    this.#own = own
  }

  set(path: Path, origin: Origin): void {
    this.#origins.set(JSON.stringify(path), origin)
  }

  /** where the longest part of the path that was taken over comes from, else the DAG file */
  of(path: Path): Origin {
    for (let length = this.#origins.size === 0 ? 0 : path.length; length > 0; length -= 1) {
      const origin = this.#origins.get(JSON.stringify(path.slice(0, length)))
      if (origin !== undefined) return { ...origin, path: [...origin.path, ...path.slice(length)] }
    }
    return { ...this.#own, path }
  }
}
