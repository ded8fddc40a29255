import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import { parseChecks } from '../../lakehouse/checks/spec.js'
import { alertRulesOf } from './alert-schema.js'
import { forEachOf } from './for-each.js'
import { groupsOf, type Needs, topologicalOrder } from './graph.js'
import type { CheckSpec, Dag, Overlap, ParamSpec, Task, TriggerRule } from './model.js'
import type { ParsedYaml } from './parse.js'
import { remembered } from './remembered.js'
import { type Calendars, catchupOf, scheduleOf, usedCalendars } from './schedule-spec.js'
import { DAG_DEFAULTS } from './schema.js'
import { slasOf } from './sla-spec.js'
import { startInstant } from './start.js'
import type { TaskFacts } from './task-checks.js'
import { TASK_DEFAULTS } from './task-schema.js'
import { triggersOf } from './trigger-spec.js'

/** Makes the DAG of a document in which nothing is wrong: every default filled in, durations in milliseconds. */
export function buildDag(
  file: string,
  yaml: ParsedYaml,
  facts: ReadonlyMap<string, TaskFacts>,
  needs: Needs,
  files: Readonly<Record<string, string>>,
  calendars: Calendars,
): Dag {
  const dag = mapOf(yaml.value)
  const tasks = mapOf(dag.tasks)
  const order = topologicalOrder(needs)
  const groups = groupsOf(order.filter((id) => mapOf(tasks[id]).group === undefined))
  const defaults = mapOf(dag.defaults)
  const schedule = scheduleOf(dag, calendars)
  return {
    id: String(dag.dag),
    version: versionOf(file, yaml.text, files, usedCalendars(dag.schedule, calendars)),
    file,
    description: textOf(dag.description),
    owner: textOf(dag.owner),
    tags: listOf(dag.tags).map(String),
    schedule,
    triggers: triggersOf(dag.schedule, posix.dirname(file)),
    start: typeof dag.start === 'string' ? startInstant(dag.start, schedule?.timezone ?? DAG_DEFAULTS.timezone) : null,
    catchup: catchupOf(dag.catchup),
    maxActiveRuns: numberOf(dag.max_active_runs, DAG_DEFAULTS.max_active_runs),
    maxActiveTasks: numberOf(dag.max_active_tasks, DAG_DEFAULTS.max_active_tasks),
    alerts: alertRulesOf(dag),
    slas: slasOf(dag.sla),
    overlap: (dag.overlap ?? DAG_DEFAULTS.overlap) as Overlap,
    dependsOnPast: dag.depends_on_past === true,
    runTimeoutMs: durationOf(dag.run_timeout),
    params: mapOf(dag.params) as unknown as Record<string, ParamSpec>,
    tasks: order.map((id) => {
      const fact = facts.get(id)
      if (fact === undefined) throw new Error(`task ${id} has no facts although its DAG is good`)
      const line = yaml.position(['tasks', id], 'key').line
      return buildTask(id, mapOf(tasks[id]), defaults, fact, {
        line,
        group: textOf(mapOf(tasks[id]).group) || (groups.get(id) ?? ''),
        needs: needs.get(id) ?? [],
      })
    }),
    source: yaml.text,
    files: { ...files },
  }
}

function buildTask(
  id: string,
  written: JsonObject,
  defaults: JsonObject,
  facts: TaskFacts,
  place: { line: number; group: string; needs: readonly string[] },
): Task {
  const task: JsonObject = { ...TASK_DEFAULTS, ...defaults, ...written }
  return {
    id,
    needs: [...place.needs],
    operator: facts.operator.type,
    config: facts.config,
    when: task.when === undefined ? null : String(task.when),
    forEach: forEachOf(task.for_each),
    triggerRule: task.trigger_rule as TriggerRule,
    retries: numberOf(task.retries, TASK_DEFAULTS.retries),
    retryDelayMs: durationOf(task.retry_delay) ?? 0,
    backoff: numberOf(task.backoff, TASK_DEFAULTS.backoff),
    maxDelayMs: durationOf(task.max_delay) ?? 0,
    timeoutMs: durationOf(task.timeout),
    pool: String(task.pool),
    poolSlots: numberOf(task.pool_slots, TASK_DEFAULTS.pool_slots),
    dependsOnPast: task.depends_on_past === true,
    skipIfDone: written.skip_if_done === true,
    priority: numberOf(task.priority, TASK_DEFAULTS.priority),
    queue: String(task.queue),
    alerts: alertRulesOf(task),
    slas: slasOf(task.sla),
    checks: task.checks === undefined ? [] : (parseChecks(task.checks) as CheckSpec[]),
    outputs: textsOf(task.outputs),
    env: textsOf(task.env),
    outputsOf: facts.outputsOf,
    files: facts.files,
    line: place.line,
    group: place.group,
  }
}

/**
 * SHA-256 over the path, the YAML, each named file and the dates of named calendars, each with its length, so that no two sets
 * of files look alike. Paths that tasks look up as they run count from the DAG file, so its place decides what a run does.
 */
function versionOf(file: string, text: string, files: Readonly<Record<string, string>>, calendars: string): string {
  const hash = createHash('sha256')
  const add = (piece: string) => {
    const bytes = Buffer.from(piece)
    hash.update(`${bytes.length}:`).update(bytes)
  }
  add(file)
  add(text)
  for (const path of Object.keys(files).sort()) {
    add(path)
    add(files[path] ?? '')
  }
  if (calendars !== '') add(calendars)
  return hash.digest('hex')
}

function mapOf(value: Json | undefined): JsonObject {
  return isObject(value) ? (value as JsonObject) : {}
}

function listOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value.trim() : ''
}

function numberOf(value: Json | undefined, standard: number): number {
  return typeof value === 'number' ? value : standard
}

const parsedDuration = remembered((text: string) => ({ ms: parseDuration(text) }))

function durationOf(value: Json | undefined): number | null {
  return typeof value === 'string' ? parsedDuration(value).ms : null
}

function textsOf(value: Json | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(mapOf(value)).map(([key, inner]) => [key, String(inner)]))
}
