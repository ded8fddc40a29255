import type { Instant } from '../../../json.js'
import type { Decision } from '../../../scheduler/core/model.js'
import type { OpenSla, SlaKind } from '../../../scheduler/core/sla.js'
import type { NewSla, SlaChange, SlaStore } from '../../../scheduler/store/sla-store.js'
import { raiseAlerts } from './alerts.js'
import { byInstant, type SlaRow, type Tables } from './tables.js'

const WARNING_PAUSE_MS = 5_000

const keyOf = ({ runId, taskId, sla }: Pick<SlaRow, 'runId' | 'taskId' | 'sla'>): string =>
  JSON.stringify([runId, taskId, sla])

export function slaStore(tables: Tables): SlaStore {
  return {
    async dueSlas(now, limit) {
      const order = byInstant<SlaRow>(({ lookAt }) => lookAt ?? 0, keyOf)
      const due = [...tables.slas.values()].filter(({ lookAt }) => lookAt !== null && lookAt <= now)
      return due
        .sort(order)
        .slice(0, limit)
        .flatMap((row) => openSla(tables, row) ?? [])
    },
    async nextSlaLook() {
      const looks = [...tables.slas.values()].flatMap(({ lookAt }) => lookAt ?? [])
      return looks.length === 0 ? null : Math.min(...looks)
    },
    async settleSlas(changes, now) {
      return changes
        .filter((change) => settle(tables, change, now))
        .map(({ runId, taskId, sla }) => ({ runId, taskId, sla }))
    },
    async pastRuns(dagId, limit) {
      const ended = [...tables.runs.values()].filter(
        ({ run }) =>
          run.dagId === dagId && run.state === 'success' && run.kind !== 'backfill' && run.onlyTasks === null,
      )
      const newest = byInstant<(typeof ended)[number]>(
        ({ run }) => -run.dueAt,
        ({ run }) => run.id,
      )
      return ended
        .sort(newest)
        .slice(0, limit)
        .map(({ run, tasks }) => ({
          createdAt: run.createdAt,
          startedAt: run.startedAt ?? run.createdAt,
          tasks: [...tasks.values()].flatMap(({ task: { taskId, startedAt, endedAt } }) =>
            endedAt === null || taskId.includes('.') ? [] : [{ taskId, startedAt, endedAt }],
          ),
        }))
    },
  }
}

function openSla(tables: Tables, row: SlaRow): OpenSla | null {
  const run = tables.runs.get(row.runId)?.run
  if (run === undefined || row.lookAt === null) return null
  const task = row.taskId === null ? undefined : tables.task(row.runId, row.taskId)?.task
  const { runId, dagId, taskId, sla, revision, deadlineAt, lookAt, sent } = row
  return {
    runId,
    dagId,
    taskId,
    sla,
    revision,
    deadlineAt,
    lookAt,
    sent: [...sent],
    version: run.version,
    dagPaused: tables.dags.get(row.dagId)?.paused === true,
    run: {
      state: run.state,
      dueAt: run.dueAt,
      createdAt: run.createdAt,
      startedAt: run.startedAt,
      endedAt: run.endedAt,
    },
    task: task === undefined ? null : { state: task.state, endedAt: task.endedAt },
  }
}

function settle(tables: Tables, change: SlaChange, now: Instant): boolean {
  const row = tables.slas.get(keyOf(change))
  if (row === undefined || row.closedAt !== null) return false
  if (row.revision !== change.revision && tables.guards('sla_revision')) return false
  const paused = tables.dags.get(row.dagId)?.paused === true
  if (paused !== change.dagPaused && tables.guards('sla_pause')) return false
  const { deadlineAt, lookAt, p50At, p90At, notices, closed } = change
  raiseAlerts(
    tables,
    notices.map(({ alert }) => alert),
    now,
  )
  const sent: SlaKind[] = [...row.sent, ...notices.map(({ kind }) => kind)]
  const closedAt = closed ? now : null
  const revision = row.revision + 1
  tables.slas.set(keyOf(row), { ...row, deadlineAt, lookAt, p50At, p90At, sent, closedAt, revision, lookedAt: now })
  return true
}

export function insertSlas(tables: Tables, runId: string, dagId: string, slas: readonly NewSla[], now: Instant): void {
  for (const sla of slas) {
    const row = { ...sla, runId, dagId, revision: 0, lookedAt: now, p50At: null, p90At: null, sent: [], closedAt: null }
    tables.slas.set(keyOf(row), row)
  }
}

/** What a decision changes is looked at: the subjects it names at once, others that may warn soon. */
export function lookAtSlas(tables: Tables, runId: string, subjects: Decision['slas'], now: Instant): void {
  if (subjects === undefined || !tables.guards('sla_look')) return
  for (const row of tables.slas.values()) {
    if (row.runId !== runId || row.closedAt !== null) continue
    const soon = Math.min(row.lookAt ?? Number.POSITIVE_INFINITY, Math.max(now, row.lookedAt + WARNING_PAUSE_MS))
    if (subjects.includes(row.taskId)) makeDue(tables, row, now)
    else if (row.warns && soon !== row.lookAt) makeDue(tables, row, soon)
  }
}

/** All SLAs of which `isMeant` holds are looked at now. */
export function makeSlasDue(tables: Tables, isMeant: (row: SlaRow) => boolean, now: Instant): void {
  for (const row of tables.slas.values()) if (row.closedAt === null && isMeant(row)) makeDue(tables, row, now)
}

function makeDue(tables: Tables, row: SlaRow, lookAt: Instant): void {
  tables.slas.set(keyOf(row), { ...row, lookAt, revision: row.revision + 1 })
}
