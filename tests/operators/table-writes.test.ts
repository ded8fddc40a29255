import { afterAll, describe, expect, it } from 'vitest'
import type {
  CheckResult,
  Commit,
  Lakehouse,
  QueryResult,
  WriteOutcome,
  WriteRequest,
} from '../../lakehouse/lakehouse.js'
import { ingest } from '../../operators/ingest.js'
import { OperatorFailure } from '../../operators/operator.js'
import { qualityCheck } from '../../operators/quality-check.js'
import { sql } from '../../operators/sql.js'
import { type ContextOptions, failureOf, NOW, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

const COMMIT: Commit = {
  table: 'silver.sales',
  versionBefore: 3,
  version: 4,
  operation: 'MERGE',
  rowsAdded: 21640,
  rowsUpdated: 2,
  rowsRemoved: 0,
  rowsTotal: 30000,
  bytes: 100,
  committedAt: NOW,
}
const READS: QueryResult['reads'] = [{ table: 'bronze.orders', version: 7, rows: 10 }]

function check(name: string, over: Partial<CheckResult> = {}): CheckResult {
  const base = { kind: 'unique', table: 'silver.sales', severity: 'error', passed: false } as const
  return { name, ...base, failingRows: 1203, measured: {}, sample: [], message: `${name} says why`, ...over }
}

const request = (requests: WriteRequest[]): WriteRequest => {
  const [first] = requests
  if (first === undefined) throw new Error('nothing was written')
  return first
}

/** A lakehouse that answers as told and keeps what it was asked; tables and commits are tested with the real one. */
function scripted(answer: {
  write?: WriteOutcome
  rows?: QueryResult['rows']
  rowsAsked?: number
  checks?: CheckResult[]
}) {
  const requests: WriteRequest[] = []
  const opened: (string | undefined)[] = []
  const unused = () => Promise.reject(new Error('not asked for in this test'))
  const lakehouse: Lakehouse = {
    tables: unused,
    versions: unused,
    summary: unused,
    schema: unused,
    remembersSince: unused,
    rollback: unused,
    execute: unused,
    endWork: unused,
    write: (asked) => {
      requests.push(asked)
      return answer.write === undefined ? unused() : Promise.resolve(answer.write)
    },
    query: (_, options) => {
      expect(options).toMatchObject(
        answer.rowsAsked === undefined ? { maxRows: 1, truncate: true } : { maxRows: answer.rowsAsked },
      )
      return Promise.resolve({ columns: [], rows: answer.rows ?? [], truncated: false, reads: READS })
    },
    check: (table, checks) => {
      expect(table).toBe('gold.rfm')
      expect(checks).toMatchObject([{ kind: 'row_count', severity: 'error', name: 'row_count min 1' }])
      return Promise.resolve({ version: 9, checks: answer.checks ?? [] })
    },
    close: () => Promise.resolve(),
  }
  const options: ContextOptions = {
    token: 'sales/run-1/task/1',
    lakehouse: (connection) => {
      opened.push(connection)
      return Promise.resolve(lakehouse)
    },
  }
  return { requests, opened, options }
}

const published = (outcome: 'published' | 'already_published'): WriteOutcome => ({
  outcome,
  commit: COMMIT,
  checks: [check('unique id', { severity: 'warn' })],
  reads: READS,
})

describe('sql with a target', () => {
  it('asks for one write that carries the token, the checks and the destination', async () => {
    const { requests, opened, options } = scripted({ write: published('published') })
    const checks = [{ kind: 'unique', options: ['id'], severity: 'error' as const, name: 'unique id' }]
    const ctx = project.context({ 'sql/sales.sql': 'SELECT 1' }, { ...options, checks })
    const config = {
      file: 'sql/sales.sql',
      to: 'silver.sales',
      mode: 'merge' as const,
      keys: ['id'],
      quarantine: 'q.sales',
    }
    await sql.run({ ...config, connection: 'warehouse', partition_by: ['day'] }, ctx)
    expect(opened).toEqual(['warehouse'])
    expect(request(requests).now()).toBe(NOW)
    expect(request(requests)).toMatchObject({
      source: { kind: 'select', sql: 'SELECT 1' },
      to: 'silver.sales',
      mode: 'merge',
      keys: ['id'],
      partitionBy: ['day'],
      quarantine: 'q.sales',
      checks,
      noChecks: false,
      token: 'sales/run-1/task/1',
      commitInfo: { dag: 'sales', run: 'run-1', task: 'task', attempt: 1 },
      signal: ctx.signal,
    })
  })

  it('overwrites unless told otherwise', async () => {
    const { requests, options } = scripted({ write: published('published') })
    await sql.run({ query: 'SELECT 1', to: 'a.b' }, project.context({}, options))
    expect(request(requests)).toMatchObject({ mode: 'overwrite', keys: [], partitionBy: [], quarantine: null })
  })

  it('asks for no gate when checks are off', async () => {
    const { requests, options } = scripted({ write: published('published') })
    await sql.run({ query: 'SELECT 1', to: 'a.b' }, { ...project.context({}, options), noChecks: true })
    expect(request(requests)).toMatchObject({ noChecks: true })
  })

  it('names the tables it writes without running', () => {
    expect(sql.problems?.({ query: 'SELECT 1', to: 'a.b', quarantine: 'q.b' }, () => false)).toEqual([])
    const itself = { to: 'a.b', quarantine: 'a.b' }
    const message = '`quarantine` is a.b itself, so rows that fail a check would be published there'
    const problem = { path: ['quarantine'], message }
    expect(sql.problems?.({ query: 'SELECT 1', ...itself }, () => false)).toMatchObject([problem])
    expect(ingest.problems?.({ from: { files: 'x.csv' }, ...itself }, () => false)).toMatchObject([problem])
    expect(sql.tables?.({ query: 'SELECT 1', to: 'a.b', quarantine: 'q.b' })).toEqual({ writes: ['a.b', 'q.b'] })
    expect(sql.tables?.({ query: 'SELECT 1' })).toEqual({ writes: [] })
    expect(ingest.tables?.({ from: { files: 'x.csv' }, to: 'a.b' })).toEqual({ writes: ['a.b'] })
  })

  it('ends with the commit, its rows as outputs, and warnings in the log', async () => {
    const ctx = project.context({}, scripted({ write: published('published') }).options)
    const result = await sql.run({ query: 'SELECT 1', to: 'silver.sales' }, ctx)
    expect(result).toMatchObject({
      outputs: { table: 'silver.sales', version: 4, rows_added: 21640, rows_updated: 2, rows_removed: 0 },
      commits: [COMMIT],
      reads: READS,
      checks: [{ name: 'unique id' }],
      summary: 'silver.sales v4, +21,640 ~2 rows',
    })
    expect(ctx.lines).toEqual(['warn Check unique id: unique id says why', `info ${result.summary}`])
  })

  it('succeeds when an earlier attempt has published, and says so', async () => {
    const ctx = project.context({}, scripted({ write: published('already_published') }).options)
    expect(await sql.run({ query: 'SELECT 1', to: 'silver.sales' }, ctx)).toMatchObject({
      commits: [COMMIT],
      unknownReads: true,
    })
    expect(ctx.lines).toContainEqual(
      expect.stringMatching(/earlier attempt has already written silver.sales \(version 4\)/),
    )
  })

  it('fails without a retry when checks refuse the rows, and keeps what they found', async () => {
    const checks = [
      check('unique id'),
      check('not_null id', { failingRows: 1 }),
      check('range q', { severity: 'warn' }),
    ]
    const write: WriteOutcome = { outcome: 'refused', table: 'silver.sales', checks, reads: READS }
    const ctx = project.context({}, scripted({ write }).options)
    const failure = await failureOf(sql.run({ query: 'SELECT 1', to: 'silver.sales' }, ctx))
    expect(failure).toBeInstanceOf(OperatorFailure)
    expect(failure).toMatchObject({
      error: { code: 'CHECK_FAILED', retryable: false },
      facts: { checks, reads: READS },
      message: '2 checks failed: unique id (1,203 rows), not_null id (1 row). Nothing was written to silver.sales.',
    })
    expect(ctx.lines).toContain('error Check unique id: unique id says why')
    expect(ctx.lines).toContain('warn Check range q: range q says why')
  })
})

describe('sql without a target', () => {
  it.each([
    [[{ big: true, n: 5, name: 'x' }], { big: true, n: 5, name: 'x' }, 'big true, n 5, name x'],
    [[], {}, 'no rows'],
  ])('makes the first row its outputs: %j', async (rows, outputs, summary) => {
    const ctx = project.context({}, scripted({ rows }).options)
    expect(await sql.run({ query: 'SELECT 1' }, ctx)).toEqual({ outputs, summary, reads: READS })
  })

  it('gives out the rows themselves when asked to', async () => {
    const rows = [{ country: 'fr' }, { country: 'de' }]
    const ctx = project.context({}, scripted({ rows, rowsAsked: 50 }).options)
    const result = await sql.run({ query: 'SELECT country FROM bronze.orders', rows: 50 }, ctx)
    expect(result).toEqual({ outputs: { rows }, summary: '2 rows', reads: READS })
  })

  it('refuses a row that outputs cannot hold, and bounds the summary', async () => {
    const wide = (n: number) => scripted({ rows: [{ text: 'x'.repeat(n) }] }).options
    expect(await failureOf(sql.run({ query: 'SELECT 1' }, project.context({}, wide(70_000))))).toMatchObject({
      code: 'OUTPUTS_INVALID',
    })
    const { summary } = await sql.run({ query: 'SELECT 1' }, project.context({}, wide(1_000)))
    expect(summary?.length).toBe(120)
  })
})

describe('ingest', () => {
  it('asks for one write of the files it found', async () => {
    const { requests, options } = scripted({ write: published('published') })
    const paths = ['data/b.tsv', 'data/a.tsv'].map((path) => project.write(path, '1')).sort()
    const from = { files: 'data/*.tsv', columns: { a: 'BIGINT' }, header: false, null_value: 'NA' }
    const result = await ingest.run({ from, to: 'bronze.a', mode: 'append' }, project.context({}, options))
    expect(request(requests)).toMatchObject({
      source: {
        kind: 'files',
        paths,
        format: 'csv',
        columns: { a: 'BIGINT' },
        options: { delimiter: '\t', header: false, nullValue: 'NA' },
        ingestedAt: NOW,
        runId: 'run-1',
      },
      to: 'bronze.a',
      mode: 'append',
      token: 'sales/run-1/task/1',
    })
    expect(result).toMatchObject({
      outputs: { files: 2, version: 4 },
      summary: expect.stringMatching(/ from 2 files$/),
    })
  })

  it('hands on what an earlier attempt has saved', async () => {
    const { requests, options } = scripted({ write: published('published') })
    project.write('data/c.csv', 'a\n1')
    const found = { engine: 'duckdb', found: { 'bronze.a': 3 } }
    await ingest.reattach?.(found, { from: { files: 'data/c.csv' }, to: 'bronze.a' }, project.context({}, options))
    expect(request(requests).outside?.earlier).toEqual(found)
  })

  it('refuses CSV options for other formats', async () => {
    project.write('data/x.parquet', 'PAR1')
    const from = { files: 'data/x.parquet', columns: { a: 'BIGINT' } }
    const error = await failureOf(ingest.run({ from, to: 'bronze.a' }, project.context({}, scripted({}).options)))
    expect(error.message).toMatch(/belong to CSV, but the format is parquet/)
  })
})

describe('quality_check', () => {
  const config = { table: 'gold.rfm', checks: [{ row_count: { min: 1 } }] }
  const results = [check('a', { passed: true }), check('b', { severity: 'warn' })]

  it('passes with its results, warnings too', async () => {
    const ctx = project.context({}, scripted({ checks: results }).options)
    expect(await qualityCheck.run(config, ctx)).toEqual({
      outputs: { table: 'gold.rfm', version: 9, passed: 1, failed: 1 },
      reads: [{ table: 'gold.rfm', version: 9, rows: null }],
      checks: results,
      summary: 'gold.rfm v9, 1 of 2 checks passed',
    })
    expect(ctx.lines).toEqual(['warn Check b: b says why', 'info gold.rfm v9, 1 of 2 checks passed'])
  })

  it('fails without a retry when a check of severity error fails', async () => {
    const checks = [...results, check('c')]
    const ctx = project.context({}, scripted({ checks }).options)
    expect(await failureOf(qualityCheck.run(config, ctx))).toMatchObject({
      error: { code: 'CHECK_FAILED', retryable: false },
      facts: { checks, reads: [{ table: 'gold.rfm', version: 9 }] },
      message: '1 check failed: c (1,203 rows). Checked was version 9 of gold.rfm.',
    })
  })

  it('records and goes on when checks are off', async () => {
    const ctx = { ...project.context({}, scripted({ checks: [check('c')] }).options), noChecks: true }
    expect(await qualityCheck.run(config, ctx)).toMatchObject({ outputs: { failed: 1 } })
  })
})
