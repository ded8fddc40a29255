import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../../../errors.js'
import type { Instant } from '../../../json.js'
import { crashPoints } from '../../crash-points.js'
import type { Commit } from '../../lakehouse.js'
import type { Author, KnownCommit } from '../table.js'
import type { Action } from './actions.js'
import type { DeltaLog } from './log.js'
import type { Snapshot } from './snapshot.js'
import { rowsOf } from './stats.js'

/** What one commit does to a table, worked out against one snapshot of it. */
export interface Change {
  /** our word: `append`, `rollback to 4` */
  operation: string
  /** Delta's word and parameters for other engines' history: `WRITE`, `MERGE`, `RESTORE` */
  deltaOperation: { name: string; parameters: Record<string, string>; blindAppend: boolean }
  actions: Action[]
  rowsAdded: number
  rowsUpdated: number
  rowsRemoved: number
}

interface Published extends KnownCommit {
  outcome: 'published' | 'already_published'
  snapshot: Snapshot
}

/** Tries before a commit gives up against other writers. */
const MAX_TRIES = 100
const MAX_PAUSE_MS = 250

/**
 * Publishes one change by optimistic concurrency: work it out against the newest snapshot, try to become the next
 * version, and start over when another writer was first. A commit that carries the same token, found before or in
 * between, ends it: this change, or another attempt's equal one, is published already.
 * @param prepare works the change out; called again for every new snapshot. `stale` means that the staged rows do not fit
 * this snapshot any more and the write has to start over.
 * @throws SluiceError COMMIT_CONFLICT when others kept winning; whatever `prepare` throws
 */
export async function publish(
  log: DeltaLog,
  author: Author,
  prepare: (snapshot: Snapshot | null) => Promise<Change | 'stale'>,
): Promise<Published | { outcome: 'stale' }> {
  const commitId = randomUUID()
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (tries > 0) await pause(Math.random() * Math.min(MAX_PAUSE_MS, 4 * 2 ** tries))
    author.signal?.throwIfAborted()
    const snapshot = await log.latest()
    if (snapshot !== null && author.token !== null) {
      const earlier = await publishedCommit(log, snapshot, author.token)
      if (earlier !== null) return { outcome: 'already_published', ...earlier, snapshot }
    }
    const change = await prepare(snapshot)
    if (change === 'stale') return { outcome: 'stale' }
    const version = (snapshot?.version ?? -1) + 1
    // whoever looks a version up by time expects that it rises
    const at = Math.max(author.now(), snapshot?.committedAt ?? 0)
    const commit = describe(log.table, version, snapshot, change, at)
    const actions = [commitInfo(commit, change, author, commitId), ...transaction(author, commit), ...change.actions]
    author.signal?.throwIfAborted()
    crashPoints.reached('before_publish')
    if (await becameVersion(log, version, actions, commitId)) {
      crashPoints.reached('published')
      const { findings = null } = author.facts
      return { outcome: 'published', commit, findings, snapshot: await log.at(version) }
    }
  }
  throw new SluiceError('COMMIT_CONFLICT', `${MAX_TRIES} tries to commit to table ${log.table} lost to other writers.`)
}

/** The commit that carried a token, or null. */
export async function publishedCommit(log: DeltaLog, snapshot: Snapshot, token: string): Promise<KnownCommit | null> {
  const transaction = snapshot.transactions.get(token)
  if (transaction === undefined) return null
  const entry = await log.entry(transaction.version)
  const info = entry?.actions.find((action) => 'commitInfo' in action)
  const facts = info !== undefined && 'commitInfo' in info ? info.commitInfo.sluice : null
  const known = typeof facts === 'object' && facts !== null && !Array.isArray(facts) ? facts : {}
  const number = (key: string): number => (typeof known[key] === 'number' ? known[key] : 0)
  const commit = {
    table: log.table,
    versionBefore: transaction.version === 0 ? null : transaction.version - 1,
    version: transaction.version,
    operation: typeof known.operation === 'string' ? known.operation : 'write',
    rowsAdded: number('rowsAdded'),
    rowsUpdated: number('rowsUpdated'),
    rowsRemoved: number('rowsRemoved'),
    rowsTotal: typeof known.rowsTotal === 'number' ? known.rowsTotal : null,
    bytes: number('bytes'),
    committedAt: transaction.lastUpdated ?? entry?.writtenAt ?? 0,
  }
  return { commit, findings: known.findings ?? null }
}

/** Rows of all live files, or null when a writer left them uncounted. */
export function totalRows(files: Iterable<{ stats?: string }>): number | null {
  let total = 0
  for (const file of files) {
    const rows = rowsOf(file.stats)
    if (rows === null) return null
    total += rows
  }
  return total
}

/**
 * Puts the log entry. When the answer is an error, or "exists" after a repeated request, the entry may still be ours:
 * the commit id inside tells.
 */
async function becameVersion(log: DeltaLog, version: number, actions: Action[], commitId: string): Promise<boolean> {
  try {
    if ((await log.tryCommit(version, actions)) === 'created') return true
    return await isOurs(log, version, commitId)
  } catch (error) {
    if (await isOurs(log, version, commitId)) return true
    throw error
  }
}

async function isOurs(log: DeltaLog, version: number, commitId: string): Promise<boolean> {
  const entry = await log.entry(version)
  return entry?.actions.some((action) => 'commitInfo' in action && action.commitInfo.txnId === commitId) ?? false
}

function describe(table: string, version: number, before: Snapshot | null, change: Change, at: Instant): Commit {
  const files = new Map(before?.files)
  let bytes = 0
  for (const action of change.actions) {
    if ('remove' in action) files.delete(action.remove.path)
    if (!('add' in action)) continue
    files.set(action.add.path, action.add)
    bytes += action.add.size
  }
  return {
    table,
    versionBefore: before?.version ?? null,
    version,
    operation: change.operation,
    rowsAdded: change.rowsAdded,
    rowsUpdated: change.rowsUpdated,
    rowsRemoved: change.rowsRemoved,
    rowsTotal: totalRows(files.values()),
    bytes,
    committedAt: at,
  }
}

function commitInfo(commit: Commit, change: Change, author: Author, commitId: string): Action {
  const { table: _table, version: _version, versionBefore: _before, committedAt: _at, ...facts } = commit
  const count = (kind: 'add' | 'remove'): string => String(change.actions.filter((action) => kind in action).length)
  return {
    commitInfo: {
      timestamp: commit.committedAt,
      operation: change.deltaOperation.name,
      operationParameters: change.deltaOperation.parameters,
      ...(commit.versionBefore === null ? {} : { readVersion: commit.versionBefore }),
      isolationLevel: 'Serializable',
      isBlindAppend: change.deltaOperation.blindAppend,
      operationMetrics: {
        numFiles: count('add'),
        numRemovedFiles: count('remove'),
        numOutputRows: String(commit.rowsAdded + commit.rowsUpdated),
        numOutputBytes: String(commit.bytes),
      },
      engineInfo: 'Sluice',
      txnId: commitId,
      sluice: { ...author.facts, token: author.token, ...facts },
    },
  }
}

function transaction({ token }: Author, { version, committedAt }: Commit): Action[] {
  return token === null ? [] : [{ txn: { appId: token, version, lastUpdated: committedAt } }]
}
