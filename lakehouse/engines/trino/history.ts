import type { Instant, Json, JsonObject } from '../../../json.js'
import { literal } from '../../sql.js'
import { qualified, type TrinoTable } from './names.js'
import { ICEBERG_CURRENT } from './select.js'
import type { SessionOptions, TrinoSession } from './session.js'

/** A version of a table that a Trino query made. */
export interface MadeVersion {
  queryId: string
  version: number
  versionBefore: number | null
  committedAt: Instant
  /** null: not counted, which only an append can do without */
  rowsBefore: number | null
  rowsAfter: number | null
  bytes: number
}

/**
 * The version that one of the queries made, or null when none has committed. Trino writes its query id into the summary of
 * an Iceberg snapshot and into the parameters of a Delta commit.
 */
export async function madeVersion(
  session: TrinoSession,
  table: TrinoTable,
  queryIds: string[],
  signal?: AbortSignal,
): Promise<MadeVersion | null> {
  if (queryIds.length === 0) return null
  const options = { signal, subject: `Looking up the history of ${table.label}` }
  return table.format === 'iceberg'
    ? icebergVersion(session, table, queryIds, options)
    : deltaVersion(session, table, queryIds, options)
}

/** Live rows of a snapshot by its summary; deletes by equality say nothing about rows, so those are counted. */
const ICEBERG_ROWS = `CASE WHEN coalesce(element_at(summary, 'total-equality-deletes'), '0') = '0'
  THEN CAST(element_at(summary, 'total-records') AS bigint)
    - CAST(coalesce(element_at(summary, 'total-position-deletes'), '0') AS bigint) END`

/**
 * Whether a query has committed is asked of the snapshots alone. Which version a snapshot is stands in the metadata log, but that
 * log forgets (`write.metadata.previous-versions-max`, 100 files, of which an INSERT of Trino takes two), and names of two
 * snapshots of one millisecond the later one only. What it leaves out is counted from the nearest snapshot that it knows,
 * since each takes the next number.
 */
async function icebergVersion(
  session: TrinoSession,
  table: TrinoTable,
  queryIds: string[],
  options: SessionOptions,
): Promise<MadeVersion | null> {
  const [row] = await session.rows(
    `WITH known AS (SELECT latest_snapshot_id, max(latest_sequence_number) AS version
         FROM ${qualified(table, 'metadata_log_entries')} GROUP BY latest_snapshot_id),
       placed AS (SELECT s.*, k.version AS known, row_number() OVER (ORDER BY s.committed_at, k.version NULLS FIRST) AS place
         FROM ${qualified(table, 'snapshots')} s LEFT JOIN known k ON k.latest_snapshot_id = s.snapshot_id),
       numbered AS (SELECT *, coalesce(known,
           place + min(known - place) OVER (ORDER BY place ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
           place + max(known - place) OVER (ORDER BY place), place) AS version
         FROM placed)
     SELECT * FROM (
       SELECT element_at(summary, 'trino_query_id') AS query_id, snapshot_id, version, ${ICEBERG_ROWS} AS rows_after,
         lag(snapshot_id) OVER w AS snapshot_before, lag(version) OVER w AS version_before, lag(${ICEBERG_ROWS}) OVER w AS rows_before,
         CAST(coalesce(element_at(summary, 'added-files-size'), '0') AS bigint) AS bytes,
         CAST(to_unixtime(committed_at) * 1000 AS bigint) AS committed_ms
       FROM numbered WINDOW w AS (ORDER BY version))
     WHERE query_id IN (${queryIds.map(literal).join(', ')}) ORDER BY version LIMIT 1`,
    options,
  )
  if (row === undefined) return null
  const counted = async (rows: Json | undefined, snapshot: Json | undefined): Promise<number> => {
    if (typeof rows === 'number') return rows
    if (snapshot === null || snapshot === undefined) return 0
    return countAt(session, table, String(snapshot), options)
  }
  return {
    ...common(row),
    versionBefore: row.version_before === null ? null : Number(row.version_before),
    rowsBefore: await counted(row.rows_before, row.snapshot_before),
    rowsAfter: await counted(row.rows_after, row.snapshot_id),
    bytes: Number(row.bytes),
  }
}

async function deltaVersion(
  session: TrinoSession,
  table: TrinoTable,
  queryIds: string[],
  options: SessionOptions,
): Promise<MadeVersion | null> {
  const [row] = await session.rows(
    `SELECT element_at(operation_parameters, 'queryId') AS query_id, version, CAST(to_unixtime("timestamp") * 1000 AS bigint) AS committed_ms
     FROM ${qualified(table, 'history')}
     WHERE element_at(operation_parameters, 'queryId') IN (${queryIds.map(literal).join(', ')}) ORDER BY version LIMIT 1`,
    options,
  )
  if (row === undefined) return null
  const version = Number(row.version)
  const [rowsAfter, rowsBefore] = await Promise.all([
    countAt(session, table, String(version), options),
    version === 0 ? 0 : countAt(session, table, String(version - 1), options),
  ])
  return { ...common(row), versionBefore: version === 0 ? null : version - 1, rowsBefore, rowsAfter, bytes: 0 }
}

function common(row: JsonObject): Pick<MadeVersion, 'queryId' | 'version' | 'committedAt'> {
  return { queryId: String(row.query_id), version: Number(row.version), committedAt: Number(row.committed_ms) }
}

async function countAt(
  session: TrinoSession,
  table: TrinoTable,
  version: string,
  options: SessionOptions,
): Promise<number> {
  if (!/^\d+$/.test(version)) throw new Error(`${version} is no version of a table`)
  const [row] = await session.rows(
    `SELECT count(*) AS n FROM ${qualified(table)} FOR VERSION AS OF ${version}`,
    options,
  )
  return Number(row?.n)
}

/** The newest version of a table and when it was committed. */
export async function lastCommit(
  session: TrinoSession,
  table: TrinoTable,
  signal?: AbortSignal,
): Promise<{ version: number; committedAt: Instant }> {
  const current = `SELECT max(s.committed_at) FROM ${qualified(table, 'snapshots')} s
    JOIN ${qualified(table, 'refs')} r ON r.snapshot_id = s.snapshot_id WHERE r.name = 'main'`
  const [version, time, source] =
    table.format === 'iceberg'
      ? [ICEBERG_CURRENT, `(${current})`, qualified(table, 'metadata_log_entries')]
      : ['max(version)', 'max_by("timestamp", version)', qualified(table, 'history')]
  const [row] = await session.rows(
    `SELECT ${version} AS version, CAST(to_unixtime(${time}) * 1000 AS bigint) AS committed_ms FROM ${source}`,
    { signal, subject: `Looking up the history of ${table.label}` },
  )
  return { version: Number(row?.version ?? 0), committedAt: Number(row?.committed_ms ?? 0) }
}
