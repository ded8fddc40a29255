import { Client, type CustomTypesConfig, type QueryArrayConfig } from 'pg'
import type { NamedConnection } from '../../lakehouse/config.js'
import { postgresClientConfig, postgresError } from '../../lakehouse/postgres-connection.js'
import type { ResultColumn, TypeFacts } from './postgres-types.js'

/** Rows are handed on in batches of about this size. */
const BATCH_BYTES = 8 * 1024 * 1024
const BATCH_ROWS = 50_000
/** Few at once, since the rows that come next may be far larger than those before. */
const FIRST_FETCH = 100
const MAX_FETCH = 1_000

type Row = (string | null)[]

/** Values as the database prints them: what the driver would make of them loses digits and zones. */
const AS_TEXT: CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => String(value) }

/** Prints values in one way, whatever the database's and its user's defaults are. */
const SETTINGS = `set local datestyle = 'ISO, YMD'; set local timezone = 'UTC'; set local intervalstyle = 'iso_8601';
  set local bytea_output = 'hex'; set local extra_float_digits = 1; set local lc_monetary = 'C'`

export interface PostgresResult {
  columns: ResultColumn[]
  /** types that are not built in, by OID */
  types: ReadonlyMap<number, TypeFacts>
  /** one batch of bounded size after the other; none for no rows */
  batches(): AsyncGenerator<Row[]>
}

/**
 * Runs one SELECT and hands its result to `read`, all of it as of one instant: a cursor in a read-only transaction that
 * sees nothing of what others commit meanwhile.
 * @param select one statement; the protocol refuses a second one
 * @throws SluiceError UNREACHABLE, CONNECTION_DENIED, SQL_FAILED; the signal's reason, the statement being cancelled
 */
export async function withPostgresResult<T>(
  connection: NamedConnection,
  select: string,
  around: { project: string; signal: AbortSignal },
  read: (result: PostgresResult) => Promise<T>,
): Promise<T> {
  const { project, signal } = around
  signal.throwIfAborted()
  const config = postgresClientConfig(connection, project)
  const client = new Client(config)
  // a connection that breaks is told by the query that runs on it
  client.on('error', () => undefined)
  let cancelling: Promise<void> | null = null
  let cancel = (): void => undefined
  try {
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    cancel = () => {
      cancelling = cancelled(rows[0]?.pid ?? 0, new Client(config))
    }
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel, { once: true })
    await client.query('begin isolation level repeatable read read only')
    await client.query(SETTINGS)
    await client.query(asText(`declare ingest no scroll cursor for ${select}`))
    const result = await described(client)
    const value = await read(result)
    await client.query('commit')
    return value
  } catch (error) {
    signal.throwIfAborted()
    throw postgresError(error, connection, 'run the query')
  } finally {
    signal.removeEventListener('abort', cancel)
    await cancelling
    await client.end().catch(() => undefined) // it has broken, which was told
  }
}

async function described(client: Client): Promise<PostgresResult> {
  const { fields } = await client.query(asText('fetch 0 from ingest'))
  const columns = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({ name, dataTypeID, dataTypeModifier }))
  const { rows } = await client.query<{ oid: number; name: string; kind: string; category: string }>(
    `select oid::int8::int4 as oid, format_type(oid, null) as name, typtype as kind, typcategory as category
     from pg_type where oid = any($1::oid[])`,
    [columns.map(({ dataTypeID }) => dataTypeID)],
  )
  return { columns, types: new Map(rows.map(({ oid, ...facts }) => [oid, facts])), batches: () => batches(client) }
}

async function* batches(client: Client): AsyncGenerator<Row[]> {
  let batch: Row[] = []
  let bytes = 0
  for (let count = FIRST_FETCH; ; ) {
    const { rows } = await client.query<Row>(asText(`fetch ${count} from ingest`))
    const size = rows.reduce((sum, row) => row.reduce((part, value) => part + (value?.length ?? 0), sum), 1)
    batch.push(...rows)
    bytes += size
    if (batch.length > 0 && (rows.length === 0 || bytes >= BATCH_BYTES || batch.length >= BATCH_ROWS)) {
      yield batch
      batch = []
      bytes = 0
    }
    if (rows.length === 0) return
    count = Math.max(1, Math.min(MAX_FETCH, Math.floor((rows.length * BATCH_BYTES) / size)))
  }
}

function asText(text: string): QueryArrayConfig & { queryMode: 'extended' } {
  return { text, types: AS_TEXT, rowMode: 'array', queryMode: 'extended' }
}

/** Ends the statement of one connection through another: the first one listens only when the statement is over. */
async function cancelled(pid: number, other: Client): Promise<void> {
  other.on('error', () => undefined)
  try {
    await other.connect()
    await other.query('select pg_cancel_backend($1)', [pid])
  } catch {
    // It cannot be reached any more; then neither can what it would end, and closing the connection does the rest.
  } finally {
    await other.end().catch(() => undefined)
  }
}
