import { isDeepStrictEqual } from 'node:util'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import { type AlertEvent, destinationsOf, type Recipients } from '../core/alert.js'
import { type Dag, DEFAULTS_FILE, type Problem } from '../dag/model.js'
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

/** Another scheduler may register another reading at the same time; never for long. */
const MOVED_LIMIT = 25

/**
 * Takes over a reading of the DAGs folder. New DAGs, changed schedules and DAGs that come back get their next due instant
 * from now on; others keep theirs, so that ticks missed while Sluice was down are not forgotten. What another scheduler has
 * registered since this one looked, or made of its schedule, is compared anew: a due instant never belongs to another
 * version's schedule, nor lies before one that had its run.
 */
export async function registerReading(ports: Ports, reading: DagReading): Promise<void> {
  const { events } = ports
  for (let tries = 0; tries < MOVED_LIMIT; tries += 1) {
    const { moved, alerts } = await registerOnce(ports, reading)
    events.emit({ kind: 'dags' })
    if (alerts > 0) events.emit({ kind: 'alerts' })
    if (moved.length === 0) return
  }
  const again = 'The folder is read again when it changes; find out who else registers DAGs in this store.'
  throw new SluiceError('STATE_CONFLICT', 'The DAGs kept changing while they were to be registered.', { hint: again })
}

async function registerOnce(ports: Ports, reading: DagReading): Promise<{ moved: string[]; alerts: number }> {
  const { store, clock, timetable, projectAlerts } = ports
  const now = clock.now()
  const known = new Map((await store.dags()).map((dag) => [dag.id, dag]))
  const nextDue: Record<string, Instant | null> = {}
  const expect: Record<string, RegisteredDag> = {}
  for (const dag of reading.dags) {
    const registered = known.get(dag.id)
    if (registered?.present === true) expect[dag.id] = registered
    if (registered === undefined || (await needsNextDue(ports, dag, registered))) {
      nextDue[dag.id] = firstDue(timetable, dag, now, registered === undefined)
    }
  }
  const alerts = projectAlerts === null ? [] : fileAlerts(await store.problems(), reading, projectAlerts, now)
  return { moved: await store.registerDags({ ...reading, nextDue, expect, alerts }, now), alerts: alerts.length }
}

/** Files that cannot be used any more, and those that can again. */
function fileAlerts(before: readonly Problem[], reading: DagReading, to: Recipients, now: Instant): AlertEvent[] {
  const [were, are] = [errorsByFile(before), errorsByFile(reading.problems)]
  const about = { dagId: null, runId: null, taskId: null, destinations: destinationsOf(to) }
  const broken = [...are].filter(([file]) => !were.has(file))
  const usable = new Set(reading.dags.map(({ file }) => file))
  // a file that has been removed is not mended; one of defaults is no DAG, and whether it is still there does not matter
  const mended = [...were.keys()].filter((file) => !are.has(file) && (usable.has(file) || isDefaults(file)))
  return [
    ...broken.map(([file, problems]): AlertEvent => {
      const key = `file_broken ${file} ${isoInstant(now)}`
      return { ...about, key, kind: 'file_broken', subject: file, payload: { problems }, after: null }
    }),
    ...mended.map((file): AlertEvent => {
      return {
        ...about,
        key: `file_mended ${file}`,
        kind: 'file_mended',
        subject: file,
        payload: {},
        after: 'file_broken',
      }
    }),
  ]
}

const isDefaults = (file: string): boolean => file.split('/').at(-1) === DEFAULTS_FILE

const PROBLEMS_TOLD = 10

function errorsByFile(problems: readonly Problem[]): Map<string, string[]> {
  const files = new Map<string, string[]>()
  for (const { file, line, column, severity, message } of problems) {
    if (severity !== 'error') continue
    const known = files.get(file) ?? []
    if (known.length < PROBLEMS_TOLD) known.push(`${file}:${line}:${column}: ${message}`)
    files.set(file, known)
  }
  return files
}

async function needsNextDue(ports: Ports, dag: Dag, registered: RegisteredDag): Promise<boolean> {
  if (!registered.present) return true
  if (registered.version === dag.version) return false
  const before = await ports.store.dagVersion(registered.version)
  return before === null || before.start !== dag.start || !isDeepStrictEqual(before.schedule, dag.schedule)
}
