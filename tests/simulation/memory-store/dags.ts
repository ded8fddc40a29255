import type { Instant } from '../../../json.js'
import type { AlertEvent } from '../../../scheduler/core/alert.js'
import { DEFAULTS_FILE, type Problem } from '../../../scheduler/dag/model.js'
import { type DagStore, FILE_DISAPPEARED, type RegisteredDag } from '../../../scheduler/store/store.js'
import { raiseAlerts } from './alerts.js'
import { makeSlasDue } from './slas.js'
import { byInstant, type Tables } from './tables.js'
import { registerSources } from './triggers.js'

export function dagStore(tables: Tables): DagStore {
  const active = () => [...tables.dags.values()].filter(({ present, paused }) => present && !paused)
  return {
    async registerDags(input, now) {
      const alerts = fileAlerts(tables, input)
      const moved = registerDags(tables, input, now)
      registerSources(tables, input, now)
      raiseAlerts(tables, alerts, now)
      return moved
    },
    async dags() {
      return [...tables.dags.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    },
    async dag(dagId) {
      return tables.dags.get(dagId) ?? null
    },
    async dagVersion(version) {
      return tables.versions.get(version) ?? null
    },
    async problems() {
      return tables.problems
    },
    async setPaused(dagId, paused, reason, now) {
      const dag = tables.dags.get(dagId)
      if (dag === undefined) return 'unknown'
      if (dag.paused === paused && !(paused && dag.pauseReason === FILE_DISAPPEARED)) return 'unchanged'
      tables.dags.set(dagId, { ...dag, paused, pauseReason: paused ? reason : '' })
      if (!paused) makeSlasDue(tables, (sla) => sla.dagId === dagId, now)
      return 'changed'
    },
    async setNextDue(dagId, expect, nextDueAt) {
      const dag = tables.dags.get(dagId)
      if (dag === undefined || dag.nextDueAt !== expect) return 'moved'
      tables.dags.set(dagId, { ...dag, nextDueAt })
      return 'changed'
    },
    async dueDags(now, limit) {
      return active()
        .filter(({ nextDueAt }) => nextDueAt !== null && nextDueAt <= now)
        .sort(byInstant(dueOf, ({ id }) => id))
        .slice(0, limit)
    },
    async nextDueAt() {
      const dues = active().flatMap(({ nextDueAt }) => nextDueAt ?? [])
      return dues.length === 0 ? null : Math.min(...dues)
    },
    async setPools(pools) {
      tables.pools.clear()
      for (const [pool, size] of Object.entries(pools)) tables.pools.set(pool, size)
    },
  }
}

const dueOf = ({ nextDueAt }: RegisteredDag): Instant => nextDueAt ?? 0

/** What the files of a reading come to, compared with the one that was registered before. */
function fileAlerts(tables: Tables, input: Parameters<DagStore['registerDags']>[0]): AlertEvent[] {
  const errorsOf = (problems: readonly Problem[]) =>
    new Set(problems.flatMap(({ file, severity }) => (severity === 'error' ? file : [])))
  const [before, broken] = [errorsOf(tables.problems), errorsOf(input.problems)]
  const isNew = ({ kind, subject }: AlertEvent) => kind !== 'file_broken' || !before.has(subject)
  const alerts = (input.alerts ?? []).filter((event) => isNew(event) || !tables.guards('broken_before'))
  const { mendedTo: destinations } = input
  if (destinations === undefined) return alerts
  const usable = new Set(input.dags.map(({ file }) => file))
  const isDefaults = (file: string) => file.split('/').at(-1) === DEFAULTS_FILE
  const mended = [...before].filter((file) => !broken.has(file) && (usable.has(file) || isDefaults(file)))
  const about = { kind: 'file_mended', dagId: null, runId: null, taskId: null, payload: {}, destinations } as const
  return [
    ...alerts,
    ...mended.map(
      (file): AlertEvent => ({ ...about, key: `file_mended ${file}`, subject: file, after: 'file_broken' }),
    ),
  ]
}

function registerDags(tables: Tables, input: Parameters<DagStore['registerDags']>[0], now: Instant): string[] {
  const moved: string[] = []
  const read = new Set(input.dags.map(({ id }) => id))
  for (const dag of input.dags) {
    if (!tables.versions.has(dag.version)) tables.versions.set(dag.version, dag)
    const known = tables.dags.get(dag.id)
    const expect = input.expect?.[dag.id]
    const isMoved = input.nextDue[dag.id] !== undefined && known?.nextDueAt !== expect?.nextDueAt
    const isExpected = known?.present === true && known.version === expect?.version && !isMoved
    if (expect !== undefined && !isExpected && tables.guards('registered_expect')) {
      moved.push(dag.id)
      continue
    }
    const resumed = known !== undefined && !known.present && known.pauseReason === FILE_DISAPPEARED
    if (resumed) makeSlasDue(tables, (sla) => sla.dagId === dag.id, now)
    tables.dags.set(dag.id, {
      id: dag.id,
      file: dag.file,
      version: dag.version,
      paused: known?.paused === true && !resumed,
      pauseReason: known === undefined || resumed ? '' : known.pauseReason,
      present: true,
      nextDueAt: input.nextDue[dag.id] === undefined ? (known?.nextDueAt ?? null) : (input.nextDue[dag.id] ?? null),
    })
  }
  for (const dag of tables.dags.values()) {
    const isBroken = input.broken.includes(dag.file) && tables.guards('broken_stays')
    if (read.has(dag.id) || isBroken || !dag.present) continue
    const pauseReason = dag.paused ? dag.pauseReason : FILE_DISAPPEARED
    tables.dags.set(dag.id, { ...dag, present: false, paused: true, pauseReason })
  }
  tables.problems = input.problems
  return moved
}
