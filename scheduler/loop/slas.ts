import type { Instant, JsonObject } from '../../json.js'
import { type AlertEvent, destinationsOf } from '../core/alert.js'
import type { OpenSla, SlaKind } from '../core/sla.js'
import { deadlineOf, lookAtSla, type Path, type SlaLook, wantsForecast } from '../core/sla-look.js'
import { remainingTasks } from '../core/sla-times.js'
import type { Dag, Sla } from '../dag/model.js'
import { zoneClockOf } from '../dag/schedule.js'
import type { SlaChange } from '../store/sla-store.js'
import type { DagVersions } from './dag-versions.js'
import { PastRuns } from './past-runs.js'
import type { Ports } from './ports.js'

/** SLAs of one step: a storm of misses is written in few steps, and nobody else waits long for the store. */
const BATCH = 200

/**
 * Looks at the SLAs whose instant has come: deadlines that pass, forecasts that change, ends of what was late. Any number
 * of schedulers may do so: a notice is written onto the SLA as it was read, and only once.
 */
export class Slas {
  readonly #ports: Ports
  readonly #versions: DagVersions
  readonly #history: PastRuns

  constructor(ports: Ports, versions: DagVersions) {
    this.#ports = ports
    this.#versions = versions
    this.#history = new PastRuns(ports.store)
  }

  async look(): Promise<void> {
    const { store, clock } = this.#ports
    for (;;) {
      const due = await store.dueSlas(clock.now(), BATCH)
      const changes = (await Promise.all(due.map((open) => this.#guarded(open)))).filter((change) => change !== null)
      if (changes.length === 0) return
      const written = await this.#write(changes)
      // what another scheduler is at just now is found changed by the next look
      if (written.length === 0 || due.length < BATCH) return
    }
  }

  async #write(changes: SlaChange[]): Promise<SlaChange[]> {
    const { store, clock, events, log, debugPoint } = this.#ports
    await debugPoint('slas:decided')
    const now = clock.now()
    // a warning that the deadline has overtaken meanwhile is none any more: the next look finds the miss
    const timely = changes.filter(({ deadlineAt, notices }) => {
      return deadlineAt === null || now < deadlineAt || notices.every(({ kind }) => kind !== 'at_risk')
    })
    const keys = new Set((await store.settleSlas(timely, now)).map(keyOf))
    const written = timely.filter((change) => keys.has(keyOf(change)))
    if (written.some(({ notices }) => notices.length > 0)) events.emit({ kind: 'alerts' })
    for (const { runId, notices } of written) {
      for (const { kind, alert } of notices) {
        const fields = { dag: alert.dagId, run: runId, task: alert.taskId, sla: alert.payload.sla }
        if (kind === 'recovered') log.info(fields, WORDS[kind])
        else log.warn(fields, WORDS[kind])
        if (alert.dagId !== null) events.emit({ kind: 'sla', dagId: alert.dagId, runId })
      }
    }
    return written
  }

  /** One SLA that cannot be judged does not keep the others from their deadlines. */
  async #guarded(open: OpenSla): Promise<SlaChange | null> {
    try {
      return await this.#decide(open)
    } catch (error) {
      const { log } = this.#ports
      log.error({ err: error, run: open.runId, sla: open.sla }, 'looking at an SLA failed; the next sweep tries again')
      return null
    }
  }

  async #decide(open: OpenSla): Promise<SlaChange> {
    const dag = await this.#versions.get(open.version)
    if (dag === null) throw new Error(`the version ${open.version} of run ${open.runId} is not stored`)
    const declared = open.taskId === null ? dag.slas : dag.tasks.find(({ id }) => id === open.taskId)?.slas
    const sla = declared?.find(({ name }) => name === open.sla)
    if (sla === undefined) throw new Error(`the DAG ${dag.id} has no SLA ${open.sla} of ${open.taskId ?? 'its runs'}`)
    const now = this.#ports.clock.now()
    const deadline = deadlineOf(open, sla, zoneClockOf(dag))
    const { projectAlerts, earlyWarning: projectWarning } = this.#ports
    const earlyWarning = sla.earlyWarning ?? projectWarning
    const path = wantsForecast(open, earlyWarning, deadline, now) ? await this.#path(open, dag) : null
    const decided = { ...sla, earlyWarning }
    const look = lookAtSla(open, decided, deadline, path, now)
    const to = sla.to ?? projectAlerts
    return changeOf(open, dag, decided, look, to === null ? [] : destinationsOf(to))
  }

  /** What is left of the run, and how long it took before; null when there is no history to go by. */
  async #path(open: OpenSla, dag: Dag): Promise<Path | null> {
    const { store, clock } = this.#ports
    const history = await this.#history.of(dag, clock.now())
    if (history.length === 0) return null
    const rows = await store.taskRuns(open.runId)
    return { tasks: remainingTasks(dag, open.run, rows, open.taskId), history }
  }
}

const WORDS: Record<SlaKind, string> = {
  at_risk: 'a deadline is likely to be missed',
  missed: 'a deadline was missed',
  recovered: 'what missed its deadline has ended well',
}

const keyOf = ({ runId, taskId, sla }: Pick<SlaChange, 'runId' | 'taskId' | 'sla'>): string =>
  JSON.stringify([runId, taskId, sla])

function changeOf(open: OpenSla, dag: Dag, sla: Sla, look: SlaLook, to: readonly string[]): SlaChange {
  const { deadlineAt, lookAt, forecast, notices, closed } = look
  return {
    runId: open.runId,
    taskId: open.taskId,
    sla: open.sla,
    revision: open.revision,
    dagPaused: open.dagPaused,
    deadlineAt,
    lookAt,
    p50At: forecast?.p50 ?? null,
    p90At: forecast?.p90 ?? null,
    notices: notices.map((kind) => ({ kind, alert: alertOf(kind, open, dag, sla, look, to) })),
    closed,
  }
}

function alertOf(
  kind: SlaKind,
  open: OpenSla,
  dag: Dag,
  sla: Sla,
  look: SlaLook,
  destinations: readonly string[],
): AlertEvent {
  const payload: JsonObject = {
    sla: sla.name,
    deadline: textOf(look.deadlineAt),
    due: textOf(open.run.dueAt),
    p50: textOf(look.forecast?.p50 ?? null),
    p90: textOf(look.forecast?.p90 ?? null),
    early_warning: sla.earlyWarning,
  }
  return {
    key: `sla_${kind} ${open.runId} ${open.taskId ?? ''} ${sla.name}`,
    kind: `sla_${kind}`,
    subject: open.taskId === null ? dag.id : `${dag.id}.${open.taskId}`,
    dagId: dag.id,
    runId: open.runId,
    taskId: open.taskId,
    payload,
    destinations,
    after: null,
  }
}

const textOf = (instant: Instant | null): string | null => (instant === null ? null : new Date(instant).toISOString())
