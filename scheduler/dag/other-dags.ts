import type { JsonObject } from '../../json.js'
import { findCycle } from './graph.js'
import type { Dag, Problem, Task } from './model.js'
import { didYouMean, listed } from './suggest.js'

/**
 * What DAGs say of each other (`trigger_dag`, `wait_for`, `schedule: { dags: … }`), which only a reading of the whole folder
 * can judge: there must be such a DAG that takes the parameters it is given, none waits for its own run, and DAGs do not start
 * each other in a circle, which would never end.
 * @param dags the good DAGs of the folder
 * @param known ids of all DAGs, also of broken files; null when a file is so broken that its id is not known
 */
export function otherDagProblems(dags: readonly Dag[], known: ReadonlySet<string> | null): Problem[] {
  const references = dags.flatMap((dag) => [
    ...dag.tasks.flatMap((task) => referenceOf(dag, task) ?? []),
    ...waitedFor(dag),
  ])
  const good = new Map(dags.map((dag) => [dag.id, dag]))
  return [
    ...references.flatMap((reference) => problemOf(reference, known) ?? paramProblems(reference, good)),
    ...circles(references),
  ]
}

interface Reference {
  dag: Dag
  /** null where the DAG itself waits */
  task: Task | null
  target: string
  /** of two DAGs the one whose run starts a run of the other; null when neither does */
  starts: { from: string; to: string } | null
}

function referenceOf(dag: Dag, task: Task): Reference | null {
  const target = task.operator === 'trigger_dag' || task.operator === 'wait_for' ? task.config.dag : undefined
  if (typeof target !== 'string') return null
  return { dag, task, target, starts: task.operator === 'trigger_dag' ? { from: dag.id, to: target } : null }
}

function waitedFor(dag: Dag): Reference[] {
  const sources = dag.triggers.flatMap((trigger) => (trigger.kind === 'dag' ? trigger.sources : []))
  return sources.map((target) => ({ dag, task: null, target, starts: { from: target, to: dag.id } }))
}

function problemOf(reference: Reference, known: ReadonlySet<string> | null): Problem | null {
  const { dag, task, target } = reference
  if (task?.operator === 'wait_for' && target === dag.id && task.config.interval !== 'last') {
    return problem(reference, `task \`${task.id}\` waits for its own run`, 'name another DAG')
  }
  if (known === null || known.has(target)) return null
  return problem(reference, `there is no DAG \`${target.slice(0, 100)}\``, didYouMean(target, [...known]))
}

/** Names only: what a template will give is known when the task starts. */
function paramProblems(reference: Reference, good: ReadonlyMap<string, Dag>): Problem[] {
  const { task, target } = reference
  const specs = good.get(target)?.params
  if (task?.operator !== 'trigger_dag' || specs === undefined) return []
  const given = Object.keys((task.config.params ?? {}) as JsonObject)
  const names = Object.keys(specs)
  const unknown = given.filter((name) => !Object.hasOwn(specs, name))
  const missing = names.filter((name) => specs[name]?.default === undefined && !given.includes(name))
  return [
    ...unknown.map((name) => {
      const known = names.length === 0 ? 'it has none' : `it has ${listed(names, 'and')}`
      return problem(reference, `the DAG \`${target}\` has no parameter \`${name}\``, didYouMean(name, names) || known)
    }),
    ...missing.map((name) =>
      problem(reference, `the DAG \`${target}\` needs the parameter \`${name}\``, 'give it below `params`'),
    ),
  ]
}

function circles(references: readonly Reference[]): Problem[] {
  const edges = references.flatMap((reference) => (reference.starts === null ? [] : { reference, ...reference.starts }))
  const graph = new Map<string, string[]>(edges.map(({ from }) => [from, []]))
  for (const { from, to } of edges) if (graph.has(to)) graph.get(from)?.push(to)
  const problems: Problem[] = []
  for (let cycle = findCycle(graph); cycle !== null; cycle = findCycle(graph)) {
    const members = new Set(cycle)
    const path = cycle.join(' -> ')
    for (const { reference } of edges.filter(({ from, to }) => members.has(from) && members.has(to))) {
      const hint = reference.task === null ? 'remove it from `dags`' : 'remove one of these tasks'
      problems.push(problem(reference, `DAGs start each other in a circle: ${path}`, hint))
    }
    for (const id of members) graph.delete(id)
    for (const [id, targets] of graph)
      graph.set(
        id,
        targets.filter((target) => !members.has(target)),
      )
  }
  return problems
}

function problem({ dag, task }: Reference, message: string, hint: string): Problem {
  const place =
    task === null
      ? { line: lineOfDags(dag), path: 'schedule.dags' }
      : { line: task.line, path: `tasks.${task.id}.${task.operator}` }
  return { file: dag.file, ...place, column: 1, severity: 'error', message, hint }
}

/** The first line that begins the list of DAGs; a comment that looks the same is as good a place. */
function lineOfDags({ source }: Dag): number {
  return (
    Math.max(
      0,
      source.split('\n').findIndex((line) => /\bdags\s*:/.test(line)),
    ) + 1
  )
}
