import { findCycle } from './graph.js'
import type { Dag, Problem, Task } from './model.js'
import { didYouMean } from './suggest.js'

/**
 * What tasks say of other DAGs (`trigger_dag`, `wait_for`), which only a reading of the whole folder can judge: there must be
 * such a DAG, none waits for its own run, and DAGs do not start each other in a circle, which would never end.
 * @param dags the good DAGs of the folder
 * @param known ids of all DAGs, also of broken files; null when a file is so broken that its id is not known
 */
export function otherDagProblems(dags: readonly Dag[], known: ReadonlySet<string> | null): Problem[] {
  const references = dags.flatMap((dag) => dag.tasks.flatMap((task) => referenceOf(dag, task) ?? []))
  return [...references.flatMap((reference) => problemOf(reference, known) ?? []), ...circles(references)]
}

interface Reference {
  dag: Dag
  task: Task
  target: string
}

function referenceOf(dag: Dag, task: Task): Reference | null {
  const target = task.operator === 'trigger_dag' || task.operator === 'wait_for' ? task.config.dag : undefined
  return typeof target === 'string' ? { dag, task, target } : null
}

function problemOf(reference: Reference, known: ReadonlySet<string> | null): Problem | null {
  const { dag, task, target } = reference
  if (task.operator === 'wait_for' && target === dag.id && task.config.interval !== 'last') {
    return problem(reference, `task \`${task.id}\` waits for its own run`, 'name another DAG')
  }
  if (known === null || known.has(target)) return null
  return problem(reference, `there is no DAG \`${target.slice(0, 100)}\``, didYouMean(target, [...known]))
}

function circles(references: readonly Reference[]): Problem[] {
  const starts = references.filter(({ task }) => task.operator === 'trigger_dag')
  const graph = new Map<string, string[]>(starts.map(({ dag }) => [dag.id, []]))
  for (const { dag, target } of starts) if (graph.has(target)) graph.get(dag.id)?.push(target)
  const problems: Problem[] = []
  for (let cycle = findCycle(graph); cycle !== null; cycle = findCycle(graph)) {
    const members = new Set(cycle)
    const path = cycle.join(' -> ')
    for (const one of starts.filter(({ dag, target }) => members.has(dag.id) && members.has(target))) {
      problems.push(problem(one, `DAGs start each other in a circle: ${path}`, 'remove one of these tasks'))
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
  const path = `tasks.${task.id}.${task.operator}`
  return { file: dag.file, line: task.line, column: 1, path, severity: 'error', message, hint }
}
