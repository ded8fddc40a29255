import type { JsonObject } from '../../../json.js'
import { assertKeyColumns, duplicateKey, nullKey } from '../../merge-keys.js'
import { identifier, identifiers } from '../../sql.js'
import type { TableField } from '../../tables/schema.js'
import { closeStaging, discardStaging, openStaging, type StagingArea } from '../../tables/staging.js'
import type { DataFile, TableChange, TableLayout, TableSnapshot } from '../../tables/table.js'
import { jsonValue } from './json-values.js'
import { filesWithKeysIn } from './pruning.js'
import { type FileSet, fetchDataFiles, persistDataFiles, relation } from './relation.js'
import { countRows } from './row-counts.js'
import { stage } from './stage.js'
import type { TableWrite } from './table-write.js'

const FILE = 'sluice file'
const MATCHED = 'sluice matched'

/**
 * Merge keys must identify: known to the table, never NULL, each once.
 * @throws SluiceError KEYS_INVALID naming the first key that breaks this
 */
export async function assertMergeKeys(write: TableWrite, staged: FileSet): Promise<void> {
  const columns = staged.fields.map((field) => field.name)
  assertKeyColumns(write.table.label, write.keys, columns)
  const keys = identifiers(write.keys)
  const options = { signal: write.signal, subject: 'The merge' }
  const nulls = write.keys.map((key) => `${identifier(key)} IS NULL`).join(' OR ')
  const [incomplete] = await write.session.rows(
    `SELECT ${keys} FROM (${relation(staged)}) WHERE ${nulls} LIMIT 1`,
    options,
  )
  if (incomplete !== undefined) throw nullKey(write.table.label, jsonRow(incomplete))
  const duplicates = `SELECT ${keys}, count(*) AS "rows" FROM (${relation(staged)}) GROUP BY ${keys} HAVING count(*) > 1 LIMIT 1`
  const [duplicate] = await write.session.rows(duplicates, options)
  if (duplicate === undefined) return
  const { rows, ...key } = duplicate
  throw duplicateKey(write.table.label, jsonRow(key), String(rows))
}

/**
 * The publication of one merge. Files that hold changed rows are rewritten (copy on write); what is rewritten depends on
 * the snapshot, so a lost race rewrites anew, each time into a staging area of its own.
 */
export class MergePublication {
  private area: StagingArea | null = null
  private persisted = false
  private readonly unused: StagingArea[] = []

  constructor(
    private readonly write: TableWrite,
    private readonly staged: FileSet,
  ) {}

  async change(snapshot: TableSnapshot | null, layout: TableLayout): Promise<TableChange> {
    await this.forgetArea()
    const plan = snapshot === null ? null : await this.plan(snapshot)
    const inserted = plan === null ? await countRows(this.write, layout, this.staged.files) : plan.inserted
    // With no row to update, the staged files are the new rows as they are.
    const direct = plan === null || (plan.changed.length === 0 && plan.matchedRows === 0)
    const adds = direct ? await this.persistStaged() : await this.rewrite(plan)
    return {
      mode: 'merge',
      keys: this.write.keys,
      layout: { fields: layout.fields, partitionColumns: layout.partitionColumns },
      added: adds,
      removed: plan?.changed ?? [],
      rowsAdded: inserted,
      rowsUpdated: plan?.updated ?? 0,
      rowsRemoved: 0,
    }
  }

  /** Deletes what lost races have rewritten. */
  async discardUnused(): Promise<void> {
    for (const area of this.unused.splice(0)) await discardStaging(this.write.table, area)
  }

  async close(published: boolean): Promise<void> {
    if (this.area === null) return
    if (published) await closeStaging(this.write.table, this.area)
    else await discardStaging(this.write.table, this.area)
    this.area = null
  }

  /** Which files hold rows that change, and how many rows change, match and are new. */
  private async plan(snapshot: TableSnapshot): Promise<MergePlan> {
    const { session, signal, keys, table } = this.write
    const candidates: FileSet = {
      table,
      fields: this.staged.fields,
      partitionColumns: this.staged.partitionColumns,
      files: await filesWithKeysIn(this.write, this.staged, snapshot),
    }
    await fetchDataFiles(table, candidates.files, signal)
    const differs = this.valueFields().map((field) => {
      return `old.${identifier(field.name)} IS DISTINCT FROM new.${identifier(field.name)}`
    })
    const source = `(${relation(this.staged)})`
    const target = `(${relation(candidates, FILE)})`
    const changed = differs.length === 0 ? 'false' : differs.join(' OR ')
    const counts = await session.rows(
      `SELECT old.${identifier(FILE)} AS file, count(*) AS matched, count(*) FILTER (WHERE ${changed}) AS changed
       FROM ${target} old JOIN ${source} new USING (${identifiers(keys)}) GROUP BY ALL`,
      { signal, subject: 'The merge' },
    )
    const [row] = await session.rows(
      `SELECT count(*) AS inserted FROM ${source} new ANTI JOIN ${target} old USING (${identifiers(keys)})`,
      { signal, subject: 'The merge' },
    )
    const touched = new Set(counts.filter((count) => Number(count.changed) > 0).map((count) => Number(count.file)))
    return {
      candidates,
      changed: candidates.files.filter((_, index) => touched.has(index)),
      matchedRows: counts.reduce((sum, count) => sum + Number(count.matched), 0),
      updated: counts.reduce((sum, count) => sum + Number(count.changed), 0),
      inserted: Number(row?.inserted),
    }
  }

  /** New files: the changed files with their new values, and the rows that are new. */
  private async rewrite(plan: MergePlan): Promise<DataFile[]> {
    if (plan.changed.length === 0 && plan.inserted === 0) return []
    const { keys, table, token, now } = this.write
    const using = `USING (${identifiers(keys)})`
    const source = `(${relation(this.staged)})`
    const columns = this.staged.fields.map((field) => {
      const name = identifier(field.name)
      if (keys.includes(field.name)) return name
      return `CASE WHEN new.${identifier(MATCHED)} THEN new.${name} ELSE old.${name} END AS ${name}`
    })
    const updated = `SELECT ${columns.join(', ')}
      FROM (${relation({ ...plan.candidates, files: plan.changed })}) old
      LEFT JOIN (SELECT *, true AS ${identifier(MATCHED)} FROM ${source}) new ${using}`
    const inserted = `SELECT * FROM ${source} new ANTI JOIN (${relation(plan.candidates)}) old ${using}`
    this.area = await openStaging(table, token, now())
    const files = await stage({
      ...this.write,
      select: `${updated} UNION ALL ${inserted}`,
      fields: this.staged.fields,
      partitionColumns: this.staged.partitionColumns,
      area: this.area,
      subject: 'The merge',
    })
    await persistDataFiles(table, files, this.write.signal)
    return files
  }

  /** Once, however often the race is run again. */
  private async persistStaged(): Promise<DataFile[]> {
    const { table, signal } = this.write
    if (!this.persisted) await persistDataFiles(table, this.staged.files, signal)
    this.persisted = true
    return this.staged.files
  }

  private valueFields(): TableField[] {
    return this.staged.fields.filter((field) => !this.write.keys.includes(field.name))
  }

  private async forgetArea(): Promise<void> {
    if (this.area !== null) this.unused.push(this.area)
    this.area = null
    await this.discardUnused()
  }
}

interface MergePlan {
  /** files that may hold keys of the source */
  candidates: FileSet
  /** those of them with rows that get other values */
  changed: DataFile[]
  matchedRows: number
  updated: number
  inserted: number
}

function jsonRow(row: Record<string, Parameters<typeof jsonValue>[0]>): JsonObject {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, jsonValue(value)]))
}
