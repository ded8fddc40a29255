import type { WriteRequest } from '../../lakehouse.js'
import { type Layout, layoutFor } from './layout.js'
import type { TrinoNames, TrinoTable } from './names.js'
import { currentVersions, readColumns, readInputs, type SelectInputs, type TableRead } from './select.js'
import type { TrinoSession } from './session.js'
import type { ExistingTable } from './target.js'

/** What one round of a write works with. */
export interface WritePlan {
  /** the SELECT with Trino's names */
  sql: string
  existing: ExistingTable | null
  layout: Layout
  /** the tables it reads; Trino may still be planning */
  inputs: Promise<SelectInputs>
  /** their versions, likewise */
  reads: Promise<TableRead[]>
}

/** What planning needs to know of the write. */
export interface PlanRequest {
  session: TrinoSession
  names: TrinoNames
  table: TrinoTable
  request: WriteRequest
  /** the author's text */
  sql: string
  /** looks the table up */
  existing: () => Promise<ExistingTable | null>
}

/**
 * Fits the SELECT to its table. What the SELECT reads is only asked for here: planning it costs as much as looking at its
 * columns does, and nothing is known by it that staging has to wait for, unless the SELECT reads the table it writes.
 * @throws SluiceError SQL_NOT_A_SELECT, SCHEMA_MISMATCH; TrinoError with the place in the author's text
 */
export async function planWrite({ session, names, table, request, sql, existing }: PlanRequest): Promise<WritePlan> {
  const { signal, mode, partitionBy } = request
  const inputs = readInputs(session, names, sql, { signal })
  inputs.then(({ foreign }) => {
    if (foreign.length > 0) request.log('info', `Reads ${foreign.join(', ')}, which Sluice knows no versions of.`)
  }, ignored)
  const reads = inputs.then(({ tables }) => currentVersions(session, tables, signal))
  reads.catch(ignored)
  const [source, found] = await Promise.all([readColumns(session, names, sql, { signal }), existing()])
  const layout = layoutFor(table, found, source.columns, { mode, partitionBy, evolve: false })
  return { sql: source.sql, existing: found, layout, inputs, reads }
}

/** Whoever awaits a promise of a plan is told why it failed; nobody may come to. */
const ignored = (): void => undefined
