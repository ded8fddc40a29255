import { isObject, type Json, type JsonObject, type JsonSchema } from '../../json.js'
import { MOST_ITEMS } from '../core/items.js'
import type { ForEach } from './model.js'
import type { Report } from './report.js'
import type { KnownNames } from './template-check.js'
import { readTemplate } from './template-check.js'
import type { Path } from './tree.js'

const list: JsonSchema = {
  title: 'List',
  description: 'The items themselves, or the name of a list: a parameter, or an output of a task before this one.',
  'x-expects': 'a list, params.<name> or tasks.<id>.outputs.<name>',
  anyOf: [
    { type: 'array', maxItems: MOST_ITEMS, 'x-template': 'none' },
    { type: 'string', minLength: 1, 'x-template': 'none' },
  ],
  examples: [['france', 'germany'], 'params.countries', 'tasks.list_files.outputs.files'],
}

/** The key `for_each` of a task. */
export const FOR_EACH_SCHEMA: JsonSchema = {
  title: 'For each',
  description: `Runs the task once for each item of a list, at most ${MOST_ITEMS}; templates name the item \`item\`.`,
  'x-expects': 'a list, params.<name>, tasks.<id>.outputs.<name>, { in, concurrency } or { query, concurrency }',
  anyOf: [
    ...(list.anyOf as JsonSchema[]),
    {
      type: 'object',
      additionalProperties: false,
      oneOf: [{ required: ['in'] }, { required: ['query'] }],
      properties: {
        in: list,
        query: {
          title: 'Query',
          description:
            'One SELECT over lakehouse tables; each row is an item, a map of its columns. A task of its own runs it before the items.',
          type: 'string',
          minLength: 1,
          'x-template': 'sql',
          examples: ['SELECT country, max(day) AS day FROM bronze.orders GROUP BY country'],
        },
        connection: {
          title: 'Connection',
          description: 'Connection of the SQL engine that runs the query.',
          type: 'string',
          'x-template': 'none',
        },
        concurrency: {
          title: 'Concurrency',
          description: 'How many items run at once; without it as many as pool and DAG have room for.',
          type: 'integer',
          minimum: 1,
          maximum: MOST_ITEMS,
        },
      },
    },
  ],
  examples: ['params.countries', { in: 'tasks.list_files.outputs.files', concurrency: 8 }],
}

/** The task that runs the query of `for_each: { query: … }` of another. */
export function rowsTaskId(taskId: string): string {
  return `${taskId}_items`
}

/** Its operator, and that operator's configuration. */
export function rowsTask(written: { query: Json; connection?: Json }): JsonObject {
  const { query, connection } = written
  return { sql: { query, rows: MOST_ITEMS, ...(connection === undefined ? {} : { connection }) } }
}

/** Null where the task has no `for_each`, or one that cannot be read. */
export function forEachOf(written: Json | undefined): ForEach | null {
  if (written === undefined) return null
  const source = sourceOf(isObject(written) ? ((written.in ?? null) as Json) : written)
  const concurrency = isObject(written) && typeof written.concurrency === 'number' ? written.concurrency : null
  return source === null ? null : { source, concurrency }
}

function sourceOf(written: Json): ForEach['source'] | null {
  if (Array.isArray(written)) return { kind: 'list', values: written }
  const [root, first, word, name, ...rest] = typeof written === 'string' ? written.trim().split('.') : []
  if (root === 'params' && first !== undefined && word === undefined) return { kind: 'param', name: first }
  if (root !== 'tasks' || first === undefined || word !== 'outputs' || name === undefined || rest.length > 0)
    return null
  return { kind: 'output', task: first, name }
}

/**
 * Reports what is wrong with the list that `for_each` names.
 * @param arrays names of the parameters that are lists
 */
export function checkForEach(
  written: Json,
  path: Path,
  known: KnownNames,
  arrays: ReadonlySet<string>,
  report: Report,
): void {
  const text = isObject(written) ? written.in : written
  if (typeof text !== 'string') return
  const at = isObject(written) ? [...path, 'in'] : path
  const source = forEachOf(written)?.source
  if (source === undefined) {
    const hint = text.includes('{{')
      ? `drop the braces: ${text.replace(/[{}]/g, '').trim()}`
      : 'write a list out, or name one'
    report.error(at, 'value', '`for_each` needs a list, `params.<name>` or `tasks.<id>.outputs.<name>`', hint)
    return
  }
  const { faults } = readTemplate(text, 'condition', known)
  for (const fault of faults) report.inText(at, fault, fault.message, fault.hint)
  if (faults.length === 0 && source.kind === 'param' && !arrays.has(source.name)) {
    report.error(at, 'value', `the parameter \`${source.name}\` is no list`, 'declare it with `type: array`')
  }
}
