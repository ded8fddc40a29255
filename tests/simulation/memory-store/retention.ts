import type { Instant } from '../../../json.js'
import { isFinalRun } from '../../../scheduler/core/states.js'
import type { ClearStore } from '../../../scheduler/store/clear-store.js'
import type { RetentionStore } from '../../../scheduler/store/retention-store.js'
import { byInstant, type RunRow, type Tables } from './tables.js'

export function retentionStore(tables: Tables): RetentionStore & ClearStore {
  return {
    async runsToClear(dagId, { from, to, endedBefore, notWell, after }, limit) {
      const ended = [...tables.runs.values()].filter(({ run }) => {
        const isChosen = run.dagId === dagId && isFinalRun(run.state) && (run.state !== 'success' || !notWell)
        return (
          isChosen && run.intervalStart >= from && run.intervalEnd <= to && (run.endedAt ?? endedBefore) < endedBefore
        )
      })
      const last = after === null ? null : tables.runs.get(after)
      if (last === undefined) return []
      const behind = last === null ? ended : ended.filter((row) => row !== last && byInterval(last, row) < 0)
      return behind
        .sort(byInterval)
        .slice(0, limit)
        .map(({ run }) => run.id)
    },
    async endedRuns(before, { after, limit }) {
      const ids = [...tables.runs.values()].filter((row) => isRemovable(tables, row, before)).map(({ run }) => run.id)
      const behind = ids.sort().filter((id) => after === null || id > after)
      return behind.slice(0, limit)
    },
    async removeRuns(runIds, before) {
      const removed = runIds.filter((id) => {
        const row = tables.runs.get(id)
        return row !== undefined && isRemovable(tables, row, before)
      })
      for (const id of removed) {
        tables.runs.delete(id)
        for (const [key, sla] of tables.slas) if (sla.runId === id) tables.slas.delete(key)
        for (const [key, { work }] of tables.leftWork) if (work.runId === id) tables.leftWork.delete(key)
        keepWritesOnly(tables, id)
      }
      for (const [id, event] of tables.events) {
        const isForgotten = event.kind !== 'file' || (event.goneAt !== null && event.goneAt < before)
        if (event.runId !== null && removed.includes(event.runId) && isForgotten) tables.events.delete(id)
      }
      for (const [key, { runId }] of tables.keys) if (removed.includes(runId)) tables.keys.delete(key)
      return removed
    },
  }
}

const byInterval = byInstant<RunRow>(
  ({ run }) => run.intervalEnd,
  ({ run }) => run.id,
)

/** What an attempt wrote is known by its row here, and stays when its run goes. */
function keepWritesOnly(tables: Tables, runId: string): void {
  const attempts = [...(tables.attempts.get(runId)?.values() ?? [])]
  tables.attempts.delete(runId)
  for (const row of attempts) {
    if (row.facts === null || row.facts.writes.length === 0) continue
    tables.addAttempt({ ...row, settled: true, facts: { ...row.facts, reads: [], checks: [] } })
  }
}

function isRemovable(tables: Tables, { run, backfillId }: RunRow, before: Instant): boolean {
  const backfill = backfillId === null ? undefined : tables.backfills.get(backfillId)
  const isCounted = backfill?.state === 'running' || backfill?.state === 'paused'
  return run.endedAt !== null && run.endedAt < before && !isCounted
}
