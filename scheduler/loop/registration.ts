import { isDeepStrictEqual } from 'node:util'
import type { Instant } from '../../json.js'
import type { Dag, Problem } from '../dag/model.js'
import type { RegisteredDag } from '../store/store.js'
import { firstDue } from './catchup.js'
import type { Ports } from './ports.js'

/** One reading of the DAGs folder. */
export interface DagReading {
  dags: Dag[]
  /** paths, as in `Dag.file`, of files that could not be compiled */
  broken: string[]
  problems: Problem[]
}

/**
 * Takes over a reading of the DAGs folder. New DAGs, changed schedules and DAGs that come back get their next due instant
 * from now on; others keep theirs, so that ticks missed while Sluice was down are not forgotten.
 */
export async function registerReading(ports: Ports, reading: DagReading): Promise<void> {
  const { store, clock, timetable, events } = ports
  const now = clock.now()
  const known = new Map((await store.dags()).map((dag) => [dag.id, dag]))
  const nextDue: Record<string, Instant | null> = {}
  for (const dag of reading.dags) {
    const registered = known.get(dag.id)
    if (await needsNextDue(ports, dag, registered)) {
      nextDue[dag.id] = firstDue(timetable, dag, now, registered === undefined)
    }
  }
  await store.registerDags({ ...reading, nextDue }, now)
  events.emit({ kind: 'dags' })
}

async function needsNextDue(ports: Ports, dag: Dag, registered: RegisteredDag | undefined): Promise<boolean> {
  if (registered === undefined || !registered.present) return true
  if (registered.version === dag.version) return false
  const before = await ports.store.dagVersion(registered.version)
  return before === null || before.start !== dag.start || !isDeepStrictEqual(before.schedule, dag.schedule)
}
