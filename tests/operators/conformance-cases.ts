import { chmodSync } from 'node:fs'
import type { Json, JsonObject } from '../../json.js'
import { parseChecks } from '../../lakehouse/checks/spec.js'
import type { ConnectionConfig } from '../../lakehouse/config.js'
import type { Check } from '../../lakehouse/lakehouse.js'
import type { TestServer } from './http-server.js'
import type { TestContext, TestProject } from './operator-context.js'
import { FAKE_SPARK_SUBMIT } from './spark/fake-spark-submit.js'

/** Where an operator succeeds only once what it has waited for has come: what it saved, and what came. */
export interface Wake {
  handle: Json
  woken: JsonObject
}

/** What every operator of the registry has to bring, so that the suite can hold it to the promises of operators. */
export interface ConformanceCase {
  success: { config: JsonObject; outputs: JsonObject; logs: RegExp; after?: Wake }
  /** fails for a reason of its own, named in the message; absent when it has none */
  failure?: { config: JsonObject; code: string; message: RegExp }
  /** takes longer than any test, unless it is told to end; absent when it only decides */
  slow?: { config: JsonObject; started: (ctx: TestContext) => boolean; checks?: Check[] }
  /** meets the secret (in `env` or the connection `crm`) and tells it where it may; absent when it meets none */
  secret?: { config: JsonObject }
}

export const SECRET = 'pa55-w0rd-of-the-service'
export const CONNECTIONS = (server: TestServer): Record<string, ConnectionConfig> => ({
  crm: { type: 'http', url: server.origin, headers: { Authorization: `Bearer ${SECRET}` } },
})

/** Stands in for Python where there is none: it runs JavaScript. */
const INTERPRETER = `#!${process.execPath}
require('node:vm').runInThisContext(require('node:fs').readFileSync(process.argv[2], 'utf8'))(require)
`

/** Applications for the stand-in of spark-submit. */
const SPARK_JOBS: Record<string, string> = {
  rows: `(argv, { require }) => {
    console.log('hello')
    require('fs').writeFileSync(process.env.SLUICE_OUTPUTS, JSON.stringify({ rows: Number(argv[0]) }))
  }`,
  missing: `() => {
    console.error('Error: Failed to load class com.example.Rfm.')
    process.exit(101)
  }`,
  slow: `() => { console.log('up'); setInterval(() => {}, 1000) }`,
  leak: `() => {
    console.log('out ' + process.env.TOKEN)
    console.error('Exception in thread "main" java.lang.IllegalStateException: ' + process.env.TOKEN)
    process.exit(1)
  }`,
}

/** Writes the files that the cases name. */
export function writeInput(project: TestProject): void {
  chmodSync(project.write('../bin/python3', INTERPRETER), 0o755)
  chmodSync(project.write('../bin/spark-submit', FAKE_SPARK_SUBMIT), 0o755)
  for (const [name, text] of Object.entries(SPARK_JOBS)) project.write(`jobs/${name}.jar`, text)
  project.write('data/orders.csv', 'id,amount\n1,10.5\n2,20\n')
  project.write('data/broken.csv', 'id,amount\n1,10.5\ntwo,20\n')
  const many = Array.from({ length: 3_000 }, (_, id) => `${id},${id % 7}`).join('\n')
  project.write('data/many.csv', `id,kind\n${many}\n`)
}

export function answer(server: TestServer): void {
  server.routes.set('/rates', (response) => response.end('{"eur":0.5}'))
  server.routes.set('/silent', () => undefined)
  server.routes.set('/echo', (response, request) => {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(`you sent ${request.headers.authorization}`)
  })
}

/** More pairs than any engine gets through: the sum of three thousand to the fourth. */
const ENDLESS = `SELECT count(*) AS n FROM bronze.many a, bronze.many b, bronze.many c, bronze.many d
  WHERE (a.id * 31 + b.id * 17 + c.id * 13 + d.id) % 1000003 = 7`

const hasLine = (text: string) => (ctx: TestContext) => ctx.lines.some((line) => line.includes(text))

export const CASES: Record<string, ConformanceCase> = {
  bash: {
    success: {
      config: { command: `echo hello; echo '{"rows": 5}' > "$SLUICE_OUTPUTS"` },
      outputs: { rows: 5 },
      logs: /info hello/,
    },
    failure: { config: { command: 'echo why >&2; exit 3' }, code: 'OPERATOR_FAILED', message: /^exit code 3: why$/ },
    slow: { config: { command: 'echo up; sleep 600' }, started: hasLine('up') },
    secret: { config: { command: 'echo "out $TOKEN"; echo "err $TOKEN" >&2; exit 1' } },
  },
  branch: {
    success: {
      config: { choices: [{ when: 'false', to: ['a'] }, { when: 'true', to: ['b', 'c'] }, { to: ['d'] }] },
      outputs: { follow: ['b', 'c'] },
      logs: /info choice 2 holds: follows b, c/,
    },
  },
  wait_for: {
    success: {
      config: { until: '2026-01-01' },
      outputs: {},
      logs: /info 2026-01-01T00:00:00.000Z: there at once/,
    },
    failure: {
      config: { until: 'tomorrow' },
      code: 'OPERATOR_FAILED',
      message: /until: tomorrow is neither a date nor/,
    },
    slow: { config: { http: { connection: 'crm', url: '/silent', timeout: '1h' } }, started: () => true },
  },
  trigger_dag: {
    success: {
      config: { dag: 'publish' },
      outputs: { dag: 'publish', run: 'publish-1', state: 'success' },
      logs: /info publish-1 succeeded/,
      after: { handle: { child: 1, reported: null }, woken: { run: 'publish-1', state: 'success' } },
    },
  },
  approval: {
    success: {
      config: { message: 'Publish?', timeout: '1h', on_timeout: 'approve' },
      outputs: { approved: true, by: null, at: '2026-01-02T06:00:00.000Z', comment: '' },
      logs: /info nobody decided within 1h: approved/,
      after: { handle: { since: 0, deadline: 3_600_000 }, woken: {} },
    },
  },
  python: {
    success: {
      config: {
        code: `(require) => { console.log('hello'); require('fs').writeFileSync(process.env.SLUICE_OUTPUTS, '{"rows": 5}') }`,
      },
      outputs: { rows: 5 },
      logs: /info hello/,
    },
    failure: {
      config: { code: `() => { console.error('ValueError: no rows'); process.exit(1) }` },
      code: 'OPERATOR_FAILED',
      message: /^exit code 1: ValueError: no rows$/,
    },
    slow: { config: { code: `() => { console.log('up'); setInterval(() => {}, 1000) }` }, started: hasLine('up') },
    secret: { config: { code: `() => { console.error('ValueError: ' + process.env.TOKEN); process.exit(1) }` } },
  },
  http: {
    success: {
      config: { connection: 'crm', url: '/rates', outputs: { eur: '/eur' } },
      outputs: { status: 200, eur: 0.5 },
      logs: /info GET http:.*\/rates[\s\S]*info 200 OK, 11 bytes/,
    },
    failure: {
      config: { connection: 'crm', url: '/nowhere' },
      code: 'OPERATOR_FAILED',
      message: /answered 404 Not Found/,
    },
    slow: { config: { connection: 'crm', url: '/silent' }, started: hasLine('/silent') },
    secret: { config: { connection: 'crm', url: '/echo' } },
  },
  ingest: {
    success: {
      config: { from: { files: 'data/orders.csv' }, to: 'bronze.orders', mode: 'append' },
      outputs: { table: 'bronze.orders', version: 0, rows_added: 2, rows_updated: 0, rows_removed: 0, files: 1 },
      logs: /info Reading .*orders\.csv/,
    },
    failure: {
      config: { from: { files: 'data/broken.csv', columns: { id: 'BIGINT', amount: 'DOUBLE' } }, to: 'bronze.broken' },
      code: 'FILE_INVALID',
      message: /^dags\/data\/broken\.csv, line 3: .*"two" to 'BIGINT'/,
    },
    slow: {
      config: { from: { files: 'data/many.csv' }, to: 'bronze.slow' },
      checks: parseChecks([{ expression: `id >= (${ENDLESS})` }]),
      started: hasLine('Reading'),
    },
  },
  sql: {
    success: {
      config: {
        query: 'SELECT kind, count(*) AS n FROM bronze.many GROUP BY kind',
        to: 'silver.kinds',
        mode: 'append',
      },
      outputs: { table: 'silver.kinds', version: 0, rows_added: 7, rows_updated: 0, rows_removed: 0 },
      logs: /info silver\.kinds v0, \+7 rows/,
    },
    failure: {
      config: { query: 'SELECT no_such_column FROM bronze.many', to: 'silver.kinds' },
      code: 'SQL_FAILED',
      message: /no_such_column/,
    },
    slow: { config: { query: ENDLESS, to: 'silver.endless' }, started: () => true },
  },
  spark_submit: {
    success: {
      config: { application: 'jobs/rows.jar', args: ['5'] },
      outputs: { rows: 5 },
      logs: /info .*Running Spark version[\s\S]*info hello/,
    },
    failure: {
      config: { application: 'jobs/missing.jar', class: 'com.example.Rfm' },
      code: 'OPERATOR_FAILED',
      message: /^The class com\.example\.Rfm is in none of the jars \(exit code 101\)\.$/,
    },
    slow: { config: { application: 'jobs/slow.jar' }, started: hasLine('up') },
    secret: { config: { application: 'jobs/leak.jar' } },
  },
  quality_check: {
    success: {
      config: { table: 'bronze.many', checks: [{ not_null: 'id' }, { row_count: { min: 1 } }] },
      outputs: { table: 'bronze.many', version: 0, passed: 2, failed: 0 },
      logs: /info bronze\.many v0, 2 of 2 checks passed/,
    },
    failure: {
      config: { table: 'bronze.many', checks: [{ unique: 'kind' }] },
      code: 'CHECK_FAILED',
      message: /1 check failed: unique kind \(3,000 rows\)/,
    },
    slow: {
      config: { table: 'bronze.many', checks: [{ expression: `id >= (${ENDLESS})` }] },
      started: () => true,
    },
  },
}
