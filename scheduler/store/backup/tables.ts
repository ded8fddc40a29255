import type { Session } from '../database.js'

export interface BackupColumn {
  /** quoted as SQL wants it */
  name: string
  /** as `format_type` writes it, with its modifiers */
  type: string
}

export interface BackupTable {
  name: string
  columns: BackupColumn[]
  /** the column that counts by itself, unquoted; null when there is none */
  identity: string | null
}

type TableRow = { name: string; columns: BackupColumn[]; identity: string | null; parents: string[] }

const TABLES = `
select c.relname as name,
  (select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
  (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attidentity <> '' and not a.attisdropped limit 1) as identity,
  coalesce((select json_agg(distinct p.relname) from pg_constraint k join pg_class p on p.oid = k.confrelid
    where k.conrelid = c.oid and k.contype = 'f' and p.oid <> c.oid), '[]'::json) as parents
from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.relname = any($1)
order by c.relname`

/**
 * The store's tables as the database has them, each behind those it refers to, so that rows can be inserted in this order.
 * @param names the tables that migrations made; others in the same schema are somebody else's
 */
export async function tablesOf(session: Session, names: readonly string[]): Promise<BackupTable[]> {
  const rows = await session.query<TableRow>(TABLES, [names])
  const ordered: BackupTable[] = []
  const placed = new Set<string>()
  while (ordered.length < rows.length) {
    const next = rows.filter(({ name, parents }) => !placed.has(name) && parents.every((parent) => placed.has(parent)))
    if (next.length === 0) throw new Error('tables of the store refer to each other in a circle')
    for (const { name, columns, identity } of next) {
      placed.add(name)
      ordered.push({ name, columns, identity })
    }
  }
  return ordered
}
