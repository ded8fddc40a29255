import type { WriteMode } from '../../lakehouse.js'
import type { TrinoTable } from './names.js'

/** What lies in a staging table, as the statement that filled it says. */
export interface Staged {
  rows: number
  /** as they are stored */
  bytes: number
}

/** Staged rows are read once and dropped: figures for planners are not worth their price there. */
const WITHOUT_STATISTICS = {
  iceberg: { collect_extended_statistics_on_write: 'false' },
  delta: { extended_statistics_collect_on_write: 'false' },
}

/**
 * Trino begins with one writer for all and adds others as data piles up before it, which keeps files few. Nobody minds the
 * number of files in a staging table, so every worker that has rows writes them, with four writers at once. What each
 * holds in memory is a quarter of the usual, so that four need no more than one.
 */
const FOUR_WRITERS = { redistribute_writes: 'false', ...writers(4) }
const ROW_GROUP = { parquet_writer_block_size: '32MB' }

/** Session properties that make a staging table sooner ready. */
export function stagingHints({ format, catalog }: TrinoTable): Record<string, string> {
  const own = Object.entries({ ...WITHOUT_STATISTICS[format], ...ROW_GROUP })
  return { ...FOUR_WRITERS, ...Object.fromEntries(own.map(([name, value]) => [`${catalog}.${name}`, value])) }
}

/** Fewer rows stay in one file. */
const ROWS_WORTH_TWO_WRITERS = 100_000
/** More than that Trino itself gives several writers, and as many as it finds good. */
const BYTES_OF_ONE_WRITER = 64_000_000

/**
 * Session properties that publish sooner what is staged. A table of middling size has one writer, most of whose work are
 * figures for planners: two share it, and leave two files. Not where files would add up, as they do with every append.
 */
export function publishingHints(mode: WriteMode, staged: Staged | null): Record<string, string> {
  const middling = staged !== null && staged.rows >= ROWS_WORTH_TWO_WRITERS && staged.bytes <= BYTES_OF_ONE_WRITER
  return mode === 'overwrite' && middling ? writers(2) : {}
}

/** A fixed number of writers on each worker that takes part. */
function writers(count: number): Record<string, string> {
  return { task_scale_writers_enabled: 'false', task_min_writer_count: String(count) }
}
