import type { Instant } from '../../../json.js'
import type { RunKind } from '../../../scheduler/core/model.js'
import type { Backfill, BackfillStore, SlotRuns } from '../../../scheduler/store/backfill-store.js'
import type { NewRun } from '../../../scheduler/store/store.js'
import { insertRun } from './runs.js'
import type { BackfillRow, RunRow, Tables } from './tables.js'

export function backfillStore(tables: Tables): BackfillStore {
  const all = () => [...tables.backfills.values()].map((row) => counted(tables, row))
  return {
    async createBackfill({ idempotency, ...backfill }, now) {
      const there = tables.backfillKeys.get(idempotency?.key ?? '')
      if (there !== undefined) return there.id
      const id = tables.backfills.size + 1
      tables.backfills.set(id, { ...backfill, id, state: 'running', passed: 0, createdAt: now, endedAt: null })
      if (idempotency !== undefined) tables.backfillKeys.set(idempotency.key, { id, ...idempotency })
      return id
    },
    async backfillOfKey(key) {
      const there = tables.backfillKeys.get(key)
      return there === undefined ? null : { id: there.id, requestHash: there.requestHash }
    },
    async backfill(id) {
      return all().find((backfill) => backfill.id === id) ?? null
    },
    async backfills(dagId, before, limit) {
      const found = all().filter(
        (backfill) => (dagId === null || backfill.dagId === dagId) && (before === null || backfill.id < before),
      )
      return found.sort((a, b) => b.id - a.id).slice(0, limit)
    },
    async backfillsToAdvance(limit) {
      return all()
        .filter((backfill) => hasRoom(tables, backfill))
        .slice(0, limit)
    },
    async slotRuns(dagId, from, to) {
      return slotRuns(tables, dagId, from, to)
    },
    async advanceBackfill(id, expect, advance, now) {
      return advanceBackfill(tables, id, expect, advance, now)
    },
    async setBackfillState(id, expect, state, now) {
      const row = tables.backfills.get(id)
      if (row === undefined) return 'unknown'
      if (!expect.includes(row.state)) return 'unchanged'
      tables.backfills.set(id, { ...row, state, endedAt: state === 'cancelled' ? now : null })
      return 'changed'
    },
    async activeRunsOf(backfillId) {
      return [...tables.activeRuns()].filter((row) => row.backfillId === backfillId).map(({ run }) => run.id)
    },
  }
}

function counted(tables: Tables, row: BackfillRow): Backfill {
  const runs = { queued: 0, running: 0, success: 0, failed: 0, cancelled: 0 }
  for (const { run, backfillId } of tables.runs.values()) if (backfillId === row.id) runs[run.state] += 1
  return { ...row, runs }
}

function hasRoom(tables: Tables, { state, dagId, nextDueAt, maxActive, runs }: Backfill): boolean {
  const dag = tables.dags.get(dagId)
  if (state !== 'running' || dag === undefined || !dag.present || dag.paused) return false
  return runs.queued + runs.running < (nextDueAt === null ? 1 : maxActive)
}

function ofSlot(tables: Tables, dagId: string, dueAt: Instant): RunRow[] {
  return [...tables.runs.values()].filter(
    ({ run }) => run.dagId === dagId && run.dueAt === dueAt && ofSchedule(run.kind),
  )
}

const ofSchedule = (kind: RunKind) => kind === 'scheduled' || kind === 'backfill'

const isGood = ({ run }: RunRow) => run.state !== 'failed' && run.state !== 'cancelled'

function slotRuns(tables: Tables, dagId: string, from: Instant, to: Instant): SlotRuns[] {
  const dues = new Set<Instant>()
  for (const { run } of tables.runs.values()) {
    if (run.dagId === dagId && ofSchedule(run.kind) && run.dueAt >= from && run.dueAt <= to) dues.add(run.dueAt)
  }
  return [...dues].sort((a, b) => a - b).map((dueAt) => ({ dueAt, isGood: ofSlot(tables, dagId, dueAt).some(isGood) }))
}

function advanceBackfill(
  tables: Tables,
  id: number,
  expect: Instant | null,
  { nextDueAt, passed, runs }: Parameters<BackfillStore['advanceBackfill']>[2],
  now: Instant,
): Awaited<ReturnType<BackfillStore['advanceBackfill']>> {
  const row = tables.backfills.get(id)
  if (row === undefined || row.state !== 'running') return { outcome: 'moved' }
  if (row.nextDueAt !== expect && tables.guards('slot_expect')) return { outcome: 'moved' }
  const wanted = runs.filter((run) => isWanted(tables, row, run))
  const done = expect === null ? { state: 'done' as const, endedAt: now } : {}
  tables.backfills.set(id, { ...row, nextDueAt, passed: row.passed + passed, ...done })
  return { outcome: 'advanced', created: wanted.flatMap((run) => insertRun(tables, run, now, id) ?? []) }
}

function isWanted(tables: Tables, { which }: BackfillRow, run: NewRun): boolean {
  if (which === 'all' || !tables.guards('slot_choice')) return true
  const there = ofSlot(tables, run.dagId, run.dueAt)
  return which === 'missing' ? there.length === 0 : !there.some(isGood)
}
