import type { Instant } from '../../../json.js'
import type { Run } from '../../../scheduler/core/model.js'
import { dagOfRun } from '../../../scheduler/core/run-id.js'
import { SET_BACK_MS } from '../../../scheduler/store/set-back.js'
import type { DagStore, TableWrite } from '../../../scheduler/store/store.js'
import {
  LONGEST_LOOK_PAUSE_MS,
  type PendingTrigger,
  sourcesOf,
  type TableLook,
  type TriggerStore,
} from '../../../scheduler/store/trigger-store.js'
import { insertRun } from './runs.js'
import type { EventRow, SourceRow, Tables } from './tables.js'

const EVENTS_OF_SOURCE = 1_000

export function triggerStore(tables: Tables): TriggerStore {
  return {
    async triggerSources(dagId) {
      const found = [...tables.sources.values()].filter((row) => dagId === null || row.dagId === dagId)
      return found.sort((a, b) => (sourceKey(a) < sourceKey(b) ? -1 : 1)).map(shown)
    },
    async claimLooks(now, everyMs) {
      return claimLooks(tables, now, everyMs)
    },
    async nextTriggerLook() {
      const looks = [...tables.sources.values()].flatMap(({ nextLookAt }) => nextLookAt ?? [])
      return looks.length === 0 ? null : Math.min(...looks)
    },
    async recordVersions(table, look, now) {
      return recordVersions(tables, table, look, now)
    },
    async recordFiles(source, look, now) {
      return recordFiles(tables, source, look, now)
    },
    async knownFiles(source) {
      return filesOf(tables, source).flatMap(({ key, goneAt }) => (goneAt === null ? key : []))
    },
    async setLook(sources, { problem, lookAgainAt }, now) {
      for (const source of sources) {
        const row = tables.sources.get(sourceKey(source))
        if (row === undefined) continue
        tables.sources.set(sourceKey(row), {
          ...row,
          problem,
          lookedAt: now,
          nextLookAt: lookAgainAt ?? row.nextLookAt,
        })
      }
    },
    async pendingTriggers(after, limit) {
      return pendingTriggers(tables, after).slice(0, limit)
    },
    async pendingEvents(dagId) {
      return pendingOf(tables, dagId).map(({ id, kind, source, seenAt }) => ({ id, kind, source, seenAt }))
    },
    async fireTriggers(fires, now) {
      return fires.flatMap((fire) => fireTrigger(tables, fire, now) ?? [])
    },
    async dropEvents(dagId, events, _now) {
      const dropped = pendingOf(tables, dagId).filter(({ id }) => events.includes(id))
      for (const event of dropped) event.dropped = true
      return dropped.length
    },
  }
}

const sourceKey = ({ dagId, kind, source }: Pick<SourceRow, 'dagId' | 'kind' | 'source'>) =>
  `${dagId} ${kind} ${source}`

function shown({ nextLookAt: _, ...source }: SourceRow): Omit<SourceRow, 'nextLookAt'> {
  return source
}

/** What the triggers of a reading wait for: new ones begin now, those that nobody names any more end. */
export function registerSources(tables: Tables, input: Parameters<DagStore['registerDags']>[0], now: Instant): void {
  const named = new Set<string>()
  const read = new Set(input.dags.map(({ id }) => id))
  for (const dag of input.dags) {
    for (const { kind, source, files } of sourcesOf(dag)) {
      const key = sourceKey({ dagId: dag.id, kind, source })
      named.add(key)
      const nextLookAt = kind === 'dag' ? null : now
      const unseen = { position: null, positionAt: null, lookedAt: null, problem: '' }
      const begun = { dagId: dag.id, kind, source, since: now, ...unseen, nextLookAt }
      tables.sources.set(key, { ...(tables.sources.get(key) ?? begun), files })
    }
  }
  for (const [key, { dagId, kind, source }] of tables.sources) {
    const isBroken = !read.has(dagId) && input.broken.includes(tables.dags.get(dagId)?.file ?? '')
    if (named.has(key) || isBroken) continue
    tables.sources.delete(key)
    for (const [id, event] of tables.events) {
      const isOfIt = event.dagId === dagId && event.kind === kind && event.source === source
      if (isOfIt && event.runId === null) tables.events.delete(id)
    }
  }
}

export function dagSucceeded(tables: Tables, { id, dagId }: Run, now: Instant): void {
  for (const source of tables.sources.values()) {
    if (source.kind !== 'dag' || source.source !== dagId) continue
    tables.addEvent({ ...source, key: id, detail: { dag: dagId, run: id }, seenAt: now })
  }
}

export function tablesWritten(tables: Tables, runId: string, writes: readonly TableWrite[], now: Instant): void {
  for (const write of writes) {
    const { table, version, versionBefore } = write
    for (const source of tables.sources.values()) {
      if (source.kind !== 'table' || source.source !== table || source.dagId === dagOfRun(runId)) continue
      const event = {
        ...source,
        key: String(version),
        detail: { table, version, from_version: versionBefore },
        seenAt: Math.max(now, write.committedAt),
      }
      const known = [...tables.events.values()].find((one) => isSameEvent(one, event))
      if (known !== undefined && known.seenAt < write.committedAt && replacesFormer(tables, write)) {
        Object.assign(known, { detail: event.detail, seenAt: event.seenAt, runId: null, dropped: false })
      } else tables.addEvent(event)
    }
  }
}

function isSameEvent(one: EventRow, event: Pick<EventRow, 'dagId' | 'kind' | 'source' | 'key'>): boolean {
  return one.dagId === event.dagId && one.kind === event.kind && one.source === event.source && one.key === event.key
}

/** Whether a former table of the name had a version of this number that a task has written. */
function replacesFormer(tables: Tables, { table, version, committedAt }: TableWrite): boolean {
  const rows = [...tables.attempts.values()].flatMap((attempts) => [...attempts.values()])
  const writes = rows.flatMap(({ facts }) => facts?.writes ?? [])
  return writes.some((one) => one.table === table && one.version === version && one.committedAt < committedAt)
}

function claimLooks(tables: Tables, now: Instant, everyMs: number): ReturnType<typeof shown>[] {
  const rows = [...tables.sources.values()]
  const due = rows.filter(({ nextLookAt }) => {
    return nextLookAt !== null && (nextLookAt <= now || nextLookAt > now + LONGEST_LOOK_PAUSE_MS + SET_BACK_MS)
  })
  const taken = rows.filter((row) =>
    due.some((one) => one === row || (row.kind === 'table' && one.kind === 'table' && one.source === row.source)),
  )
  for (const row of taken) tables.sources.set(sourceKey(row), { ...row, nextLookAt: now + everyMs })
  return taken.map(shown)
}

function recordVersions(
  tables: Tables,
  table: string,
  { versions, position, positionAt = null, anew = null }: TableLook,
  now: Instant,
): number {
  let events = 0
  for (const row of [...tables.sources.values()].filter(({ kind, source }) => kind === 'table' && source === table)) {
    const isOther = row.positionAt !== null && row.positionAt === anew?.former
    const begins = anew !== null && ((row.position ?? -1) > anew.newest || isOther)
    if (begins) freeNumbers(tables, row, anew.since)
    for (const { version, committedAt, before, dag } of versions) {
      const isNew = begins || (row.position === null ? committedAt > row.since : version > row.position)
      if (!isNew || dag === row.dagId) continue
      const detail = { table, version, from_version: before }
      if (tables.addEvent({ ...row, key: String(version), detail, seenAt: now })) events += 1
    }
    const moved = begins ? position : Math.max(row.position ?? position, position)
    const isAhead = !begins && row.position !== null && row.position >= position
    const at = isAhead ? (row.position === position ? (positionAt ?? row.positionAt) : row.positionAt) : positionAt
    tables.sources.set(sourceKey(row), { ...row, position: moved, positionAt: at, lookedAt: now, problem: '' })
  }
  return events
}

/** Those of the former table of the name were all seen before the first commit of this one. */
function freeNumbers(tables: Tables, { dagId, source }: SourceRow, since: Instant): void {
  for (const [id, event] of [...tables.events]) {
    const isFormer = event.kind === 'table' && event.dagId === dagId && event.source === source && event.seenAt < since
    if (!isFormer || !/^\d+$/.test(event.key)) continue
    tables.events.delete(id)
    tables.events.set(`${id}~${event.id}`, { ...event, key: `${event.key}~${event.id}` })
  }
}

function filesOf(tables: Tables, { dagId, source }: { dagId: string; source: string }): EventRow[] {
  const ofSource = (event: EventRow) => event.kind === 'file' && event.dagId === dagId && event.source === source
  return [...tables.events.values()].filter(ofSource)
}

function recordFiles(
  tables: Tables,
  source: { dagId: string; source: string },
  { files, gone }: Parameters<TriggerStore['recordFiles']>[1],
  now: Instant,
): number {
  const row = tables.sources.get(sourceKey({ ...source, kind: 'file' }))
  if (row === undefined) return 0
  for (const event of filesOf(tables, source)) {
    if (gone.includes(event.key)) event.goneAt = now
    else if (files.some(({ key }) => key === event.key)) event.goneAt = null
  }
  tables.sources.set(sourceKey(row), { ...row, lookedAt: now, problem: '' })
  const added = files.filter(({ key, files: paths }) =>
    tables.addEvent({ ...row, key, detail: { files: paths }, seenAt: now }),
  )
  return added.length
}

function pendingOf(tables: Tables, dagId: string): EventRow[] {
  return [...tables.events.values()]
    .filter((event) => event.dagId === dagId && event.runId === null && !event.dropped)
    .sort((a, b) => a.id - b.id)
}

function pendingTriggers(tables: Tables, after: string | null): PendingTrigger[] {
  const active = [...tables.dags.values()].filter(({ present, paused }) => present && !paused)
  return active
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap(({ id: dagId, version }) => {
      const counts = new Map<string, number>()
      const events = pendingOf(tables, dagId).filter((event) => {
        const count = (counts.get(sourceKey(event)) ?? 0) + 1
        counts.set(sourceKey(event), count)
        return count <= EVENTS_OF_SOURCE && tables.sources.has(sourceKey(event))
      })
      if (events.length === 0 || (after !== null && dagId <= after)) return []
      const isWaiting = [...tables.activeRuns()].some(
        ({ run }) => run.dagId === dagId && run.state === 'queued' && run.kind === 'triggered',
      )
      return {
        dagId,
        version,
        isWaiting,
        events: events.map(({ id, kind, source, detail, seenAt }) => ({ id, kind, source, detail, seenAt })),
      }
    })
}

function fireTrigger(
  tables: Tables,
  { run, events }: Parameters<TriggerStore['fireTriggers']>[0][number],
  now: Instant,
): string | null {
  const taken = [...tables.events.values()].filter(({ id }) => events.includes(id))
  const arePending = taken.length === events.length && taken.every(({ runId, dropped }) => runId === null && !dropped)
  if (!arePending && tables.guards('event_of_one_run')) return null
  const id = insertRun(tables, run, now)
  if (id === null) return null
  for (const event of taken) event.runId = id
  return id
}
