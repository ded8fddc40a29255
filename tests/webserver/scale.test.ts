import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SqlStatement } from '../../scheduler/store/database.js'
import { slaRecord } from '../../scheduler/store/reads/slas.js'
import { recordWords } from '../../webserver/present/sla-view.js'
import { CATALOG, LEDGER, ORDERS, STREAM, sampleDag, sampleTask, WEATHER } from './sample-dags.js'
import { PAGES } from './sample-pages.js'
import { addRuns, addTasks, fillStore, NOW } from './sample-store.js'
import { SampleWeb, sampleTables } from './sample-web.js'

/** Tables that grow with the history; no page may read one from end to end. */
const GROWING =
  /Seq Scan on (runs|task_runs|attempts|table_versions|table_reads|check_results|audit|slas|alerts|alert_deliveries|alert_messages)\b/

const DAY = 86_400_000
const web = new SampleWeb()
let cookie = ''

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  sampleTables(web)
  await web.start()
  cookie = await web.login('operator')
})
afterAll(() => web.close())

async function statementsOf(path: string): Promise<SqlStatement[]> {
  web.statements.length = 0
  await web.page(path, cookie)
  return [...web.statements]
}

describe('each page', () => {
  it('asks a small number of statements', async () => {
    for (const path of PAGES) expect((await statementsOf(path)).length, path).toBeLessThanOrEqual(9)
  })

  it('reads no growing table from end to end', async () => {
    await web.database.query('set enable_seqscan = off')
    const found: string[] = []
    for (const path of PAGES)
      for (const { sql, params } of await statementsOf(path)) {
        const plan = await web.database.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, params)
        const text = plan.map((row) => row['QUERY PLAN']).join('\n')
        if (GROWING.test(text)) found.push(`${path}: ${GROWING.exec(text)?.[0]} in ${sql.trim().slice(0, 120)}`)
      }
    await web.database.query('set enable_seqscan = on')
    expect(found).toEqual([])
  })

  it('asks no more statements however many DAGs, runs and tasks there are', async () => {
    const before = new Map<string, number>()
    for (const path of PAGES) before.set(path, (await statementsOf(path)).length)
    const dags = Array.from({ length: 60 }, (_, place) =>
      sampleDag(`more_${place}`, [sampleTask('a_first'), sampleTask('a_second', ['a_first'])], {
        version: String(place).padStart(64, 'e'),
      }),
    )
    await web.store.registerDags(
      {
        dags: [ORDERS, WEATHER, STREAM, LEDGER, CATALOG, ...dags],
        broken: [],
        problems: [],
        nextDue: Object.fromEntries(dags.map((dag) => [dag.id, NOW])),
      },
      NOW,
    )
    for (const dag of dags.slice(0, 20)) {
      const run = { dag, dueAt: NOW - 60_000, state: 'failed', ms: 1_000 }
      await addRuns(web.database, [run])
      await addTasks(web.database, run, [
        { taskId: 'a_first', state: 'failed', attempts: [{ from: 0, to: 10, result: 'failed' }] },
      ])
    }
    for (const path of PAGES) expect((await statementsOf(path)).length, path).toBeLessThanOrEqual(before.get(path) ?? 0)
  })

  it('shows a page of a list at a time, each row once', async () => {
    const seen: string[] = []
    let path = '/dags?sort=name'
    for (let page = 0; path !== '' && page < 10; page += 1) {
      const html = await web.page(path, cookie)
      seen.push(...[...html.matchAll(/id="d-(\w+)-bars"/g)].map(([, dag = '']) => dag))
      path = (/href="([^"]+)" rel="next">Next 50/.exec(html)?.[1] ?? '')
        .replaceAll('&amp;', '&')
        .replaceAll('&#x3D;', '=')
    }
    expect(seen).toEqual([...new Set(seen)].sort())
    expect(seen).toHaveLength(65)
  })

  it('pages through runs without losing or repeating one', async () => {
    const seen: string[] = []
    let path = '/runs'
    for (let page = 0; path !== '' && page < 20; page += 1) {
      const html = await web.page(path, cookie)
      seen.push(
        ...[...html.matchAll(/<tr data-row=""><th scope="row" class="nowrap"><a href="([^"]+)"/g)].map(
          ([, run = '']) => run,
        ),
      )
      path = (/href="([^"]+)" rel="next">Older/.exec(html)?.[1] ?? '')
        .replaceAll('&amp;', '&')
        .replaceAll('&#x3D;', '=')
    }
    const [row] = await web.database.query<{ runs: number }>('select count(*) as runs from runs')
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toHaveLength(row?.runs ?? 0)
  })

  it('tells how the last 1,000 deadlines of a DAG were kept, where 30 days have more', async () => {
    const minute = (back: number) => NOW - DAY - back * 60_000
    const runs = Array.from({ length: 1_200 }, (_, back) => ({
      dag: LEDGER,
      dueAt: minute(back),
      state: 'success',
      ms: 9,
    }))
    await addRuns(web.database, runs)
    await web.database.query(
      `insert into slas (run_id, task_id, sla, dag_id, warns, deadline_at, looked_at, closed_at, missed_at)
       select run_id, '', 'within 1h', dag_id, false, due_at, due_at, due_at, case when due_at in ($2, $3) then due_at end
       from runs where dag_id = $1`,
      [LEDGER.id, new Date(minute(5)), new Date(minute(1_100))],
    )
    expect(await slaRecord(web.database, LEDGER.id, NOW - 30 * DAY)).toEqual({ judged: 1_000, met: 999, cut: true })
    expect(recordWords({ judged: 1_000, met: 999, cut: true })).toBe('met 999 of the last 1,000')
  })
})
