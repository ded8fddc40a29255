/**
 * The one catalogue of coded errors. `docs/ERRORS.md` lists the same codes; a test compares both.
 * A code is never renamed or reused. `status` is the HTTP status, `exit` the exit code of the command line.
 */
interface ErrorEntry {
  status: number
  exit: 1 | 2 | 3
  hint: string
}

export const ERRORS = {
  // using Sluice
  WRONG_USE: { status: 400, exit: 2, hint: 'See `sluice help` for the command.' },
  NODE_TOO_OLD: { status: 500, exit: 3, hint: 'Install Node 20.20 or newer.' },
  PORT_IN_USE: { status: 500, exit: 3, hint: 'Stop the other program or choose another port with --port.' },
  NOT_WRITABLE: {
    status: 500,
    exit: 3,
    hint: 'Change the owner or the permissions of the folder, or choose another one.',
  },
  NOT_RUNNING: { status: 503, exit: 3, hint: 'Start it with `sluice up`, or set SLUICE_URL and SLUICE_TOKEN.' },
  UNREACHABLE: { status: 503, exit: 3, hint: 'Check that the address is right and that the service is up.' },
  // project
  CONFIG_INVALID: { status: 500, exit: 2, hint: 'Mend sluice.yaml.' },
  SECRET_MISSING: {
    status: 500,
    exit: 3,
    hint: 'Set the environment variable or create the file that the secret names.',
  },
  CONNECTION_DENIED: { status: 500, exit: 3, hint: 'Check user and password of the connection.' },
  CONNECTION_UNKNOWN: { status: 400, exit: 1, hint: 'Name a connection that sluice.yaml defines.' },
  // store
  STORE_LOCKED: { status: 500, exit: 3, hint: 'Stop the other Sluice, or use another --project.' },
  EPOCH_OVER: {
    status: 500,
    exit: 3,
    hint: 'Start this one again, and see to it that only one kind of Sluice works on the store.',
  },
  CLOCK_OFF: {
    status: 500,
    exit: 3,
    hint: 'Let NTP set the clocks of all machines, that of the database too, and start this one again.',
  },
  STORE_FAILED: { status: 500, exit: 3, hint: 'Look at the cause; the store refused or lost a statement.' },
  MIGRATION_CHANGED: {
    status: 500,
    exit: 3,
    hint: 'Migrations are never edited: restore the file as it was released.',
  },
  STORE_NOT_MIGRATED: {
    status: 500,
    exit: 3,
    hint: 'Run `sluice db migrate` once, before the parts of a cluster start.',
  },
  STORE_TOO_NEW: { status: 500, exit: 3, hint: 'This store was migrated by a newer Sluice: use that one.' },
  STORE_TOO_OLD: {
    status: 500,
    exit: 3,
    hint: 'Upgrade the PostgreSQL server to version 15 or newer, or name another one with `store` in sluice.yaml.',
  },
  STORE_BUSY: {
    status: 503,
    exit: 3,
    hint: 'Wait until backups and long reads of the store have ended, then run `sluice db migrate` again; it goes on where it was.',
  },
  STORE_NOT_EMPTY: {
    status: 409,
    exit: 3,
    hint: 'Restore into an empty database or a project without a store: name another one with `store` in sluice.yaml.',
  },
  BACKUP_INVALID: { status: 400, exit: 3, hint: 'Take another backup; nothing was changed.' },
  FILE_EXISTS: { status: 409, exit: 2, hint: 'Name another file: backups are never overwritten.' },
  // commands
  DAG_UNKNOWN: { status: 404, exit: 1, hint: '`sluice check` lists the DAGs of the project.' },
  DAG_INVALID: { status: 409, exit: 1, hint: '`sluice check` shows each problem.' },
  RUN_UNKNOWN: { status: 404, exit: 1, hint: '`sluice runs` lists the runs.' },
  TASK_UNKNOWN: { status: 404, exit: 1, hint: '`sluice tasks RUN` lists the tasks of the run.' },
  PARAMS_INVALID: { status: 422, exit: 2, hint: 'Give parameters as the DAG declares them.' },
  BACKFILL_INVALID: { status: 422, exit: 2, hint: 'Look with --dry-run, then give another range or another choice.' },
  BACKFILL_UNKNOWN: { status: 404, exit: 1, hint: '`sluice backfill --list` shows the backfills.' },
  INTERVAL_INVALID: { status: 422, exit: 2, hint: 'Give START/END as ISO 8601 dates or instants, START before END.' },
  ALERT_INVALID: { status: 422, exit: 2, hint: 'Give what is missing and ask again.' },
  ALERT_UNKNOWN: {
    status: 404,
    exit: 1,
    hint: '`sluice alerts list` and `sluice alerts messages` show those there are.',
  },
  STATE_CONFLICT: { status: 409, exit: 1, hint: 'The state has changed meanwhile: look again and decide anew.' },
  IDEMPOTENCY_CONFLICT: {
    status: 409,
    exit: 1,
    hint: 'An Idempotency-Key stands for one request: use a new key for another.',
  },
  TRIGGER_FAILED: {
    status: 500,
    exit: 1,
    hint: 'Mend what the DAG waits for: its schedule page says what was seen last.',
  },
  DELIVERY_REFUSED: { status: 401, exit: 1, hint: 'Sign the delivery anew with the secret of the connection.' },
  // login and rights
  LOGIN_REQUIRED: { status: 401, exit: 3, hint: 'Log in, or send a token as `Authorization: Bearer`.' },
  FORBIDDEN: { status: 403, exit: 1, hint: 'Ask an admin for a role that may do this.' },
  CSRF: { status: 403, exit: 1, hint: 'Reload the page and send the form again.' },
  NOT_FOUND: { status: 404, exit: 1, hint: 'Check the address.' },
  BAD_REQUEST: { status: 400, exit: 2, hint: 'See /api/v1/openapi.json.' },
  PAYLOAD_TOO_LARGE: { status: 413, exit: 2, hint: 'Send less at once.' },
  TOO_MANY_REQUESTS: { status: 429, exit: 3, hint: 'Wait a minute and try again.' },
  INTERNAL: { status: 500, exit: 1, hint: 'This is a defect of Sluice: please report it with the log.' },
  // attempts
  OPERATOR_FAILED: { status: 500, exit: 1, hint: 'Look at the log of the attempt.' },
  CONFIG_RENDER_FAILED: { status: 500, exit: 1, hint: 'Mend the template in the DAG file.' },
  PROGRAM_MISSING: { status: 500, exit: 1, hint: 'Install the program on the worker or name its path.' },
  OUTPUTS_INVALID: { status: 500, exit: 1, hint: 'Write one JSON object of at most 64 kB to $SLUICE_OUTPUTS.' },
  ADDRESS_REFUSED: {
    status: 400,
    exit: 1,
    hint: 'Define a connection of type http in sluice.yaml for internal services, and name it with `connection`.',
  },
  TIMED_OUT: { status: 500, exit: 1, hint: 'Raise `timeout` on the task or make it quicker.' },
  CANCELLED: { status: 409, exit: 1, hint: 'Someone cancelled it; clear the task to run it again.' },
  EARLIER_WORK_RUNS: {
    status: 503,
    exit: 1,
    hint: 'See that what it names can be reached, or has ended, and clear the task again.',
  },
  CHECK_FAILED: { status: 500, exit: 1, hint: 'Look at the failing rows; nothing was published.' },
  // lakehouse
  TABLE_UNKNOWN: { status: 404, exit: 1, hint: '`sluice tables` lists the tables.' },
  TABLE_NAME_INVALID: { status: 400, exit: 1, hint: 'Write schema.table or catalog.schema.table in lower case.' },
  TABLE_UNSUPPORTED: {
    status: 500,
    exit: 1,
    hint: 'The table uses a feature Sluice does not know; it refuses rather than guesses.',
  },
  TABLE_CORRUPT: { status: 500, exit: 1, hint: 'The log of the table breaks the format; restore it from a backup.' },
  CATALOG_NOT_PREPARED: {
    status: 500,
    exit: 3,
    hint: 'Create the tables of the Iceberg JDBC catalog (docs/guides/iceberg.md), or mend the database of the connection.',
  },
  VERSION_UNKNOWN: { status: 404, exit: 1, hint: '`sluice tables TABLE` lists the versions.' },
  COMMIT_CONFLICT: { status: 409, exit: 1, hint: 'Other writers kept winning; the task is retried.' },
  COMMIT_UNKNOWN: {
    status: 409,
    exit: 1,
    hint: "Look whether the task's rows are in the table: if they are, mark the task as success; if not, clear it, and it writes them anew.",
  },
  SCHEMA_MISMATCH: {
    status: 500,
    exit: 1,
    hint: 'Make the columns of the result fit the table, or use mode overwrite.',
  },
  KEYS_INVALID: {
    status: 500,
    exit: 1,
    hint: 'Give each key once and never NULL, for example with GROUP BY or a filter.',
  },
  FILE_INVALID: {
    status: 500,
    exit: 1,
    hint: 'Mend the file, or declare columns with types that hold its values.',
  },
  SQL_FAILED: { status: 500, exit: 1, hint: 'Mend the SQL.' },
  SQL_NOT_A_SELECT: { status: 500, exit: 1, hint: 'Write one SELECT; Sluice does the write.' },
  SQL_FORBIDDEN: { status: 500, exit: 1, hint: 'SQL reads lakehouse tables only; ingest files first.' },
  SQL_OUT_OF_MEMORY: { status: 500, exit: 1, hint: 'Raise memory_limit of the connection or make the query smaller.' },
  FILES_NOT_FOUND: { status: 500, exit: 1, hint: 'Check the glob; it is relative to the DAG file.' },
  PATH_OUTSIDE: { status: 400, exit: 1, hint: 'Keep files inside the project.' },
  OBJECT_MISSING: {
    status: 500,
    exit: 1,
    hint: 'The file was deleted behind the back of its table: restore it, or roll the table back to a version without it.',
  },
  OBJECT_STORE_DENIED: {
    status: 500,
    exit: 3,
    hint: 'Check the keys of the connection and what its user may do with the bucket.',
  },
  OBJECT_STORE_UNSAFE: {
    status: 500,
    exit: 3,
    hint: 'Use a store that supports conditional writes (AWS S3, MinIO, Ceph, R2); on others two writers could lose rows.',
  },
  OBJECT_STORE_FAILED: { status: 503, exit: 3, hint: 'Look at the log of the object store.' },
  BUCKET_UNKNOWN: { status: 500, exit: 3, hint: 'Create the bucket, or mend the location in sluice.yaml.' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** An error a user can act on. Everything else that is thrown is a defect. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly status: number
  readonly exitCode: 1 | 2 | 3
  /** A retry of the same attempt may succeed; `false` fails the task at once whatever `retries` says. */
  readonly retryable: boolean

  /** @param message one sentence that names the thing, what was expected and what was found */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SluiceError'
    this.code = code
    this.hint = options.hint ?? ERRORS[code].hint
    this.status = ERRORS[code].status
    this.exitCode = ERRORS[code].exit
    this.retryable = options.retryable ?? true
  }
}

/** Whether something that was thrown is meant for users, and is of this code when one is given. */
export function isSluiceError(error: unknown, code?: ErrorCode): error is SluiceError {
  return error instanceof SluiceError && (code === undefined || error.code === code)
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * The code of what the operating system or a server refused by, such as `ENOENT` or `57P01`; empty for anything else.
 * The errors of another context of node:vm count too, which are no `Error` of this one.
 */
export function codeOf(error: unknown): string {
  const holder = typeof error === 'object' && error !== null && 'code' in error ? error : { code: null }
  return typeof holder.code === 'string' ? holder.code : ''
}
