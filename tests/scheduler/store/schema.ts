import type { Database } from '../../../scheduler/store/database.js'

/** The schema as text, the same from PGlite and from every PostgreSQL: one line per column, constraint and index. */
export async function schemaOf(database: Database, schema: string): Promise<string> {
  const lines = await database.query<{ table: string; line: string }>(
    `with tables as (
      select oid, relname from pg_class where relnamespace = $1::regnamespace and relkind = 'r' and relname <> 'schema_migrations'
    )
    select relname as table, line from (
      select t.relname, 1 as part, a.attnum as place, concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' end, case when a.attidentity <> '' then 'identity' end,
        'default ' || pg_get_expr(d.adbin, d.adrelid)) as line
      from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
      union all
      select t.relname, 2, 0, c.conname || ' ' || pg_get_constraintdef(c.oid)
      from tables t join pg_constraint c on c.conrelid = t.oid and c.contype in ('p', 'u', 'f', 'c')
      union all
      select t.relname, 3, 0, pg_get_indexdef(i.indexrelid)
      from tables t join pg_index i on i.indrelid = t.oid where not i.indisprimary
    ) found order by relname, part, place, line`,
    [schema],
  )
  const text: string[] = []
  for (const [index, { table, line }] of lines.entries()) {
    if (table !== lines[index - 1]?.table) text.push('', table)
    text.push(`  ${line.replaceAll(`${schema}.`, '')}`)
  }
  return `${text.join('\n').trim()}\n`
}
