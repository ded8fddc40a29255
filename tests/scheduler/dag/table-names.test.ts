import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { operators } from '../../../operators/index.js'
import { compileContext, compileDag } from '../../../scheduler/dag/compile.js'
import { project } from './subject.js'

/** The problems of a DAG with the real operators, in a project with the catalogs `lake` and `delta`. */
function problems(text: string, catalogs: string[] | null = ['lake', 'delta']): string[] {
  const root = project({ 'dags/a.csv': 'x\n1\n' })
  const names = catalogs === null ? {} : { catalogs }
  const context = compileContext({ operators, project: root, dags: join(root, 'dags'), ...names })
  const found = compileDag('test.yaml', Buffer.from(text), context).problems
  return found.map(({ path, message, hint }) => `${path}: ${message}${hint === '' ? '' : ` (${hint})`}`)
}
const withTask = (task: string, more = '') => `dag: a\n${more}tasks:\n  t: { ${task} }\n`

/** Each place of a DAG file that names a table, and its path. */
const PLACES: [string, (table: string) => string][] = [
  ['tasks.t.sql.to', (table) => withTask(`sql: { query: select 1, to: ${table} }`)],
  ['tasks.t.sql.quarantine', (table) => withTask(`sql: { query: select 1, to: a.b, quarantine: ${table} }`)],
  ['tasks.t.ingest.to', (table) => withTask(`ingest: { from: { files: a.csv }, to: ${table} }`)],
  ['tasks.t.quality_check.table', (table) => withTask(`quality_check: { table: ${table}, checks: [{ unique: a }] }`)],
  [
    'tasks.t.quality_check.checks[0].relationship.to',
    (table) =>
      withTask(`quality_check: { table: a.b, checks: [{ relationship: { column: x, to: ${table}, field: x } }] }`),
  ],
  [
    'tasks.t.checks[0].relationship.to',
    (table) =>
      withTask(`sql: { query: select 1, to: a.b }, checks: [{ relationship: { column: x, to: ${table}, field: x } }]`),
  ],
  ['tasks.t.wait_for.table', (table) => withTask(`wait_for: { table: ${table} }`)],
  [
    'tasks.t.spark_submit.writes[0]',
    (table) => withTask(`spark_submit: { application: "s3a://a/b.jar", writes: [${table}] }`),
  ],
]

describe('the name of a table', () => {
  it.each(PLACES)('at %s is judged before a run', (path, text) => {
    expect(problems(text('silver.sales'))).toEqual([])
    expect(problems(text('delta.silver.sales'))).toEqual([])
    const [problem, ...others] = problems(text('Silver.Sales-2026'))
    expect(others).toEqual([])
    expect(problem).toMatch(
      /^\S+ (`\w+`|item 1 of `writes`) must be schema.table or catalog.schema.table, each part a small letter, then small letters, digits and _.*, not the text "Silver.Sales-2026" \(did you mean `silver.sales_2026`\?\)$/,
    )
    expect(problem?.startsWith(`${path}: `)).toBe(true)
    expect(problems(text('sales'))).toHaveLength(1)
    expect(problems(text('dleta.silver.sales'))).toEqual([
      `${path}: there is no catalog \`dleta\`; there are \`lake\` and \`delta\` (did you mean \`delta\`?)`,
    ])
  })

  it('may have any catalog where those of the project are not known', () => {
    expect(problems(withTask('wait_for: { table: other.silver.sales }'), null)).toEqual([])
  })

  it('is judged as the check runs when a template makes it', () => {
    const check = '{ relationship: { column: x, to: "{{ params.t }}.b.c", field: x } }'
    const task = `quality_check: { table: a.b, checks: [${check}] }`
    expect(problems(withTask(task, 'params: { t: { type: string } }\n'))).toEqual([])
  })

  it('is judged in what starts a run', () => {
    const on = (tables: string) => problems(withTask('bash: x', `schedule: { tables: ${tables} }\n`))
    expect(on('[silver.sales, lake.silver.sales]')).toEqual([])
    expect(on('{ all: [silver.sales, laek.silver.sales] }')).toEqual([
      'schedule.tables.all[1]: there is no catalog `laek`; there are `lake` and `delta` (did you mean `lake`?)',
    ])
  })
})
