import { SluiceError } from '../../errors.js'
import type { Json, JsonSchema } from '../../json.js'
import type {
  CheckResult,
  Commit,
  OutsideWork,
  QueryResult,
  WriteMode,
  WriteOutcome,
  WriteRequest,
  WriteSource,
} from '../../lakehouse/lakehouse.js'
import { TABLE_NAME_EXPECTS, TABLE_NAME_PATTERN } from '../../lakehouse/names.js'
import { type ConfigProblem, type OperatorContext, OperatorFailure, type OperatorResult } from '../operator.js'

/** Where and how an operator writes a table; the same keys in every operator that does. */
export type Destination = {
  to: string
  mode?: WriteMode
  keys?: string[]
  partition_by?: string[]
  quarantine?: string
}

export const TABLE_SCHEMA: JsonSchema = {
  title: 'Table',
  description: '`schema.table` in the default catalog, or `catalog.schema.table`.',
  type: 'string',
  pattern: TABLE_NAME_PATTERN,
  'x-template': 'none',
  'x-table': true,
  'x-expects': `${TABLE_NAME_EXPECTS}, without templates`,
  examples: ['silver.sales', 'lake.silver.sales'],
}

const COLUMNS: JsonSchema = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', minLength: 1, 'x-template': 'none' },
}

export const DESTINATION_PROPERTIES: Record<string, JsonSchema> = {
  to: { ...TABLE_SCHEMA, title: 'Target table', description: `The table to write: ${TABLE_SCHEMA.description}` },
  mode: {
    title: 'Write mode',
    description:
      '`overwrite` replaces all rows; `append` adds rows; `merge` updates rows with the same `keys` and adds the others; `replace_partitions` replaces the partitions that occur in the result.',
    enum: ['overwrite', 'append', 'merge', 'replace_partitions'],
    default: 'overwrite',
  },
  keys: {
    ...COLUMNS,
    title: 'Merge keys',
    description: 'Columns that identify a row; needed by mode `merge`, refused by the others.',
    examples: [['order_id', 'product_id']],
  },
  partition_by: {
    ...COLUMNS,
    title: 'Partition columns',
    description: 'Columns the table is partitioned by when it is created; needed by mode `replace_partitions`.',
    examples: [['order_date']],
  },
  quarantine: {
    ...TABLE_SCHEMA,
    title: 'Quarantine table',
    description: 'Rows that fail a check are appended to this table; without it only a sample of them is kept.',
    examples: ['quarantine.sales'],
  },
}

/** `merge` and `keys` belong together, and `replace_partitions` needs `partition_by`. */
export const DESTINATION_RULES: JsonSchema[] = [
  {
    if: { required: ['mode'], properties: { mode: { const: 'merge' } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['keys'] },
    else: { properties: { keys: false } },
  },
  {
    if: { required: ['mode'], properties: { mode: { const: 'replace_partitions' } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['partition_by'] },
  },
]

/** Names of the tables a destination writes. */
export function destinationTables(destination: Partial<Destination>): string[] {
  return [destination.to, destination.quarantine].filter((table) => table !== undefined)
}

/** What is wrong with a destination whatever the catalogs are; names that are equal only there are refused by the engine. */
export function destinationProblems({ to, quarantine }: Partial<Destination>): ConfigProblem[] {
  if (to === undefined || to !== quarantine) return []
  const message = `\`quarantine\` is ${to} itself, so rows that fail a check would be published there`
  return [{ path: ['quarantine'], message, hint: 'name another table, such as `quarantine.sales`' }]
}

/**
 * The write of a task: everything but the source follows from its destination and its context.
 * @param earlier what an earlier attempt saved with `saveHandle`; null when there was none
 */
export function writeRequest(
  source: WriteSource,
  destination: Destination,
  ctx: OperatorContext,
  earlier: Json = null,
): WriteRequest {
  return {
    source,
    to: destination.to,
    mode: destination.mode ?? 'overwrite',
    keys: destination.keys ?? [],
    partitionBy: destination.partition_by ?? [],
    checks: ctx.checks,
    noChecks: ctx.noChecks,
    quarantine: destination.quarantine ?? null,
    token: ctx.token,
    commitInfo: { dag: ctx.dag.id, run: ctx.run.id, task: ctx.task.id, attempt: ctx.task.attempt },
    now: () => ctx.now(),
    signal: ctx.signal,
    log: (level, message) => ctx.log(level, message),
    outside: outsideWork(ctx, earlier),
  }
}

/**
 * How an engine outside this worker keeps its handle and tells how far it is.
 * @param earlier what an earlier attempt saved with `saveHandle`; null when there was none
 */
export function outsideWork(ctx: OperatorContext, earlier: Json = null): OutsideWork {
  return {
    earlier,
    save: (handle) => ctx.saveHandle(handle),
    progress: (value) => ctx.progress(value),
  }
}

/**
 * The end of an operator from the end of its write.
 * @throws OperatorFailure with CHECK_FAILED when the checks refused the write; a retry would meet the same rows
 */
export function writeResult(write: WriteOutcome, ctx: OperatorContext): OperatorResult {
  logChecks(write.checks, ctx)
  if (write.outcome === 'refused') {
    throw new OperatorFailure(checkFailure(write.checks, `Nothing was written to ${write.table}`), {
      reads: write.reads,
      checks: write.checks,
      ...foreignReads(write),
    })
  }
  const { commit } = write
  if (write.outcome === 'already_published') {
    ctx.log(
      'info',
      `An earlier attempt has already written ${commit.table} (version ${commit.version}); nothing to do.`,
    )
  }
  const rows: OperatorResult['outputs'] = {
    table: commit.table,
    version: commit.version,
    rows_added: commit.rowsAdded,
    rows_updated: commit.rowsUpdated,
    rows_removed: commit.rowsRemoved,
  }
  const summary = commitSummary(commit)
  ctx.log('info', summary)
  const { checks, reads } = write
  // a commit keeps a part of what the attempt has read that has published it
  const unknownReads = write.outcome === 'already_published'
  return { outputs: rows, commits: [commit], checks, reads, summary, unknownReads, ...foreignReads(write) }
}

/** Tables without versions that were read are named beside what the attempt measured. */
export function foreignReads({
  foreignReads: names = [],
}: Pick<QueryResult, 'foreignReads'>): Pick<OperatorResult, 'metrics' | 'unknownReads'> {
  return names.length === 0 ? {} : { metrics: { foreign_reads: names }, unknownReads: true }
}

/** One line in the log for each check that did not pass. */
export function logChecks(checks: CheckResult[], ctx: OperatorContext): void {
  for (const check of checks) {
    if (!check.passed) ctx.log(check.severity === 'error' ? 'error' : 'warn', `Check ${check.name}: ${check.message}`)
  }
}

/** Names the failed error checks and their rows. */
export function checkFailure(checks: CheckResult[], consequence: string): SluiceError {
  const failed = checks.filter((check) => !check.passed && check.severity === 'error')
  const named = failed.map((check) => `${check.name} (${rowCount(check.failingRows)})`).join(', ')
  const count = failed.length === 1 ? '1 check' : `${failed.length} checks`
  return new SluiceError('CHECK_FAILED', `${count} failed: ${named}. ${consequence}.`, { retryable: false })
}

function rowCount(rows: number): string {
  return rows === 1 ? '1 row' : `${rows.toLocaleString('en-US')} rows`
}

function commitSummary(commit: Commit): string {
  const changes = [
    commit.rowsAdded > 0 || (commit.rowsUpdated === 0 && commit.rowsRemoved === 0) ? `+${count(commit.rowsAdded)}` : '',
    commit.rowsUpdated > 0 ? `~${count(commit.rowsUpdated)}` : '',
    commit.rowsRemoved > 0 ? `−${count(commit.rowsRemoved)}` : '',
  ]
  return `${commit.table} v${commit.version}, ${changes.filter((text) => text !== '').join(' ')} rows`
}

function count(rows: number): string {
  return rows.toLocaleString('en-US')
}
