import type { Dag, Task } from '../dag/model.js'

/** What follows from a DAG's declaration alone: asked at every decision about its runs, found out once. */
export interface Declared {
  tasks: ReadonlyMap<string, Task>
  branches: ReadonlyMap<string, Task>
  /** how its runs depend on those before: with some tasks, or as a whole */
  dependsOnPast: 'no' | 'tasks' | 'run'
  /** whether its runs have anything to do with deadlines */
  hasSlas: boolean
}

/** A version of a DAG never changes, so its object stands for it. */
const known = new WeakMap<Dag, Declared>()

/**
 * What the declaration says, worked out once for each Dag object; an equal object of another load is worked out anew.
 */
export function declaredOf(dag: Dag): Declared {
  const before = known.get(dag)
  if (before !== undefined) return before
  const declared: Declared = {
    tasks: new Map(dag.tasks.map((task) => [task.id, task])),
    branches: new Map(dag.tasks.filter(({ operator }) => operator === 'branch').map((task) => [task.id, task])),
    dependsOnPast: dag.dependsOnPast ? 'run' : dag.tasks.some((task) => task.dependsOnPast) ? 'tasks' : 'no',
    hasSlas: dag.slas.length > 0 || dag.tasks.some(({ slas }) => slas.length > 0),
  }
  known.set(dag, declared)
  return declared
}
