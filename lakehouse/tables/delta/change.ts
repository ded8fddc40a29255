import { randomUUID } from 'node:crypto'
import type { Instant } from '../../../json.js'
import { sameLayout, type TableChange, type TableLayout } from '../table.js'
import type { Action } from './actions.js'
import { TRANSACTIONS_KEPT_DAYS } from './checkpoint-writer.js'
import { removeOf } from './data-files.js'
import { ownFile } from './delta-file.js'
import { protocolFor } from './protocol.js'
import type { Change } from './publish.js'
import { formatSchema } from './schema.js'
import type { Snapshot } from './snapshot.js'

/** A change in the words of the Delta log. */
export function changeOf(change: TableChange, snapshot: Snapshot | null, now: Instant): Change {
  const { mode, layout, added, removed, rowsAdded, rowsUpdated, rowsRemoved } = change
  return {
    operation: mode,
    deltaOperation: deltaOperation(change),
    actions: [
      ...layoutActions(layout, snapshot, now),
      ...removed.map((file): Action => ({ remove: removeOf(ownFile(file), now) })),
      ...added.map((file): Action => ({ add: ownFile(file) })),
    ],
    rowsAdded,
    rowsUpdated,
    rowsRemoved,
  }
}

function deltaOperation({ mode, keys, layout }: TableChange): Change['deltaOperation'] {
  if (mode === 'merge') {
    return { name: 'MERGE', parameters: { matchedBy: JSON.stringify(keys) }, blindAppend: false }
  }
  const append = mode === 'append'
  const parameters = {
    mode: append ? 'Append' : 'Overwrite',
    partitionBy: JSON.stringify(layout.partitionColumns),
  }
  return { name: 'WRITE', parameters, blindAppend: append }
}

/** What the log must say about schema and protocol when a layout is published on a snapshot. */
function layoutActions(layout: TableLayout, snapshot: Snapshot | null, now: Instant): Action[] {
  const actions: Action[] = []
  const protocol = protocolFor(layout.fields, snapshot?.protocol ?? null)
  if (protocol !== snapshot?.protocol) actions.push({ protocol })
  const schemaString = formatSchema(layout.fields)
  const { partitionColumns } = layout
  if (snapshot === null) {
    const configuration = { 'delta.setTransactionRetentionDuration': `interval ${TRANSACTIONS_KEPT_DAYS} days` }
    const format = { provider: 'parquet', options: {} }
    actions.push({
      metaData: { id: randomUUID(), format, schemaString, partitionColumns, configuration, createdTime: now },
    })
  } else if (!sameLayout(layout, { fields: snapshot.fields, partitionColumns: snapshot.metadata.partitionColumns })) {
    actions.push({ metaData: { ...snapshot.metadata, schemaString, partitionColumns } })
  }
  return actions
}
