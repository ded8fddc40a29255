import type { WriteRequest } from '../../lakehouse.js'
import { type Layout, layoutFor } from './layout.js'
import type { TrinoNames, TrinoTable } from './names.js'
import type { OwnView, TableState } from './own-view.js'
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
  /** the table that is written, before */
  before: Promise<TableState | null>
}

/** What planning needs to know of the write. */
export interface PlanRequest {
  session: TrinoSession
  names: TrinoNames
  view: OwnView
  table: TrinoTable
  request: WriteRequest
  /** the author's text */
  sql: string
  /** what the SELECT reads is needed before anything runs */
  atOnce: boolean
  /** looks the table up */
  existing: (before: Promise<TableState | null>) => Promise<ExistingTable | null>
}

/**
 * Fits the SELECT to its table. What the SELECT reads is not known yet then: planning it costs as much as looking at its
 * columns does, so it goes on beside the staging.
 * @throws SluiceError SQL_NOT_A_SELECT, SCHEMA_MISMATCH; TrinoError with the place in the author's text
 */
export async function planWrite(planning: PlanRequest): Promise<WritePlan> {
  const { session, names, view, table, request, sql, existing } = planning
  const { signal, mode, partitionBy } = request
  const before = view.state(table.label)
  const columns = readColumns(session, names, sql, { signal })
  const inputs = (planning.atOnce ? Promise.resolve() : columns).then(() => readInputs(session, names, sql, { signal }))
  inputs.then(({ foreign }) => {
    if (foreign.length > 0) request.log('info', `Reads ${foreign.join(', ')}, which Sluice knows no versions of.`)
  }, ignored)
  const reads = inputs.then(({ tables }) => currentVersions(session, tables, signal))
  for (const later of [before, reads]) later.catch(ignored)
  const [source, found] = await Promise.all([columns, existing(before)])
  const layout = layoutFor(table, found, source.columns, { mode, partitionBy, evolve: false })
  return { sql: source.sql, existing: found, layout, inputs, reads, before }
}

/** Whoever awaits a promise of a plan is told why it failed; nobody may come to. */
const ignored = (): void => undefined
