import { isDeepStrictEqual } from 'node:util'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import { type AlertEvent, destinationsOf, type Recipients } from '../core/alert.js'
import type { Dag, Problem } from '../dag/model.js'
import type { RegisteredDag, Store } from '../store/store.js'
import { firstDue } from './catchup.js'
import type { Ports } from './ports.js'

/** One reading of the DAGs folder. */
export interface DagReading {
  dags: Dag[]
  /** paths, as in `Dag.file`, of files that could not be compiled, and of folders (`team/`) that could not be read */
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
    const moved = await registerOnce(ports, reading)
    events.emit({ kind: 'dags' })
    // whether there are any is decided in the store
    if (ports.projectAlerts !== null) events.emit({ kind: 'alerts' })
    if (moved.length === 0) return
  }
  const again = 'The folder is read again when it changes; find out who else registers DAGs in this store.'
  throw new SluiceError('STATE_CONFLICT', 'The DAGs kept changing while they were to be registered.', { hint: again })
}

async function registerOnce(ports: Ports, reading: DagReading): Promise<string[]> {
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
  const broken = reading.broken.flatMap((path) => (path.endsWith('/') ? filesBelow(path, known.values()) : path))
  return store.registerDags({ ...reading, broken, nextDue, expect, ...fileAlerts(reading, projectAlerts, now) }, now)
}

/** What a folder that nobody could read held when it was read last. */
function filesBelow(folder: string, known: Iterable<RegisteredDag>): string[] {
  return [...known].flatMap(({ file }) => (file.startsWith(folder) ? file : []))
}

/**
 * Who is told of which files. Whether one could be used before, or could not, is for the store to say as it registers the
 * reading: another scheduler may register another one until then.
 */
function fileAlerts({ problems }: DagReading, to: Recipients | null, now: Instant): FileAlerts {
  if (to === null) return {}
  const destinations = destinationsOf(to)
  const about = { kind: 'file_broken', dagId: null, runId: null, taskId: null, destinations, after: null } as const
  const alerts = [...errorsByFile(problems)].map(([file, errors]): AlertEvent => {
    return { ...about, key: `file_broken ${file} ${isoInstant(now)}`, subject: file, payload: { problems: errors } }
  })
  return { alerts, mendedTo: destinations }
}

type FileAlerts = Pick<Parameters<Store['registerDags']>[0], 'alerts' | 'mendedTo'>

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
