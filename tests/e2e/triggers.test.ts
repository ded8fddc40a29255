import { createHmac } from 'node:crypto'
import { rename, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunListEntry, RunShape } from '../../scheduler/shapes.js'
import { eventually } from './eventually.js'
import { Project, type Up } from './project.js'

const SECRET = 'a secret that both sides know'
const show = (...values: string[]) => `bash: [echo, ${values.map((value) => `"{{ ${value} }}"`).join(', ')}]`

const DAGS = {
  'sluice.yaml': `connections: { shop: { type: incoming_webhook, secret: "\${env:SLUICE_TEST_HOOK}" } }\n`,
  'dags/sales.yaml': `dag: sales
tasks:
  load: { sql: { query: "select 1 as id", to: silver.sales, mode: append } }
`,
  'dags/on_table.yaml': `dag: on_table
schedule: { tables: [silver.sales] }
tasks:
  show: { ${show('trigger.kind', 'trigger.table', 'trigger.version')} }
`,
  'dags/on_dag.yaml': `dag: on_dag
schedule: { dags: [on_table] }
tasks:
  show: { ${show('trigger.dag', 'trigger.run')} }
`,
  'dags/on_file.yaml': `dag: on_file
schedule: { files: { path: "../landing/*.csv", stable: 500ms } }
tasks:
  show: { ${show('trigger.file')} }
`,
  'dags/on_hook.yaml': `dag: on_hook
params: { order: { type: integer } }
schedule: { webhooks: { orders: { connection: shop, params: { order: order.id } } } }
tasks:
  show: { ${show('params.order', 'trigger.delivery')} }
`,
}

let project: Project
let up: Up

beforeAll(async () => {
  process.env.SLUICE_TEST_HOOK = SECRET
  project = await Project.ready(DAGS)
  up = await project.up()
}, 60_000)

afterAll(async () => {
  await project.remove()
})

const runsOf = (dag: string) => project.api<RunListEntry[]>(`/runs?dag=${dag}`)
const ended = (dag: string, runs: number) =>
  eventually(20_000, async () => {
    const found = await runsOf(dag)
    return found.length >= runs && found.every(({ state }) => state === 'success') ? found : null
  })
const startedBy = async ({ run }: RunListEntry) => (await project.api<RunShape>(`/runs/${run}`)).trigger

async function deliver(id: string, order: unknown, secret = SECRET): Promise<Response> {
  const { url } = await project.instance()
  const body = JSON.stringify({ order: { id: order } })
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
  return fetch(`${url}/hooks/on_hook/orders`, { method: 'POST', headers, body })
}

it('a version starts a run, its success another, and the file of a landing folder one; all once', async () => {
  await project.write('landing/one.part', 'a\n1\n')
  const run = await project.json<{ state: string }>('run', 'sales')
  expect(run.state).toBe('success')
  const [onTable] = await ended('on_table', 1)
  if (onTable === undefined) throw new Error('no run')
  const versions = { table: 'silver.sales', version: 0, from_version: null }
  expect(await startedBy(onTable)).toEqual({ kind: 'table', ...versions, tables: [versions] })
  const [onDag] = await ended('on_dag', 1)
  expect(onDag === undefined ? null : await startedBy(onDag)).toMatchObject({ dag: 'on_table', run: onTable.run })
  expect((await project.sluice('logs', onTable.run, 'show')).stdout).toContain('table silver.sales 0')

  const landed = join(project.folder, 'landing/one.csv')
  await rename(join(project.folder, 'landing/one.part'), landed)
  const [onFile] = await ended('on_file', 1)
  if (onFile === undefined) throw new Error('no run')
  expect((await project.sluice('logs', onFile.run, 'show')).stdout).toContain(landed)
}, 60_000)

it('a delivery starts one run however often it comes, and none when it is not signed for it', async () => {
  const first = await deliver('delivery-1', 7)
  expect(first.status).toBe(201)
  const again = await deliver('delivery-1', 7)
  expect(again.status).toBe(200)
  expect(await again.json()).toEqual(await first.json())
  expect((await deliver('delivery-1', 8)).status).toBe(409)
  expect((await deliver('delivery-2', 7, 'another secret')).status).toBe(401)
  const wrong = await deliver('delivery-3', 'seven')
  expect([wrong.status, await wrong.json()]).toMatchObject([422, { code: 'PARAMS_INVALID' }])
  const [run] = await ended('on_hook', 1)
  expect((await project.sluice('logs', run?.run ?? '', 'show')).stdout).toContain('7 delivery-1')
}, 30_000)

it('after a restart nothing is started again, a file written anew is, and what came meanwhile', async () => {
  await up.end('SIGKILL')
  await project.write('landing/two.csv', 'a\n2\n')
  up = await project.up()
  await ended('on_file', 2)
  await utimes(join(project.folder, 'landing/one.csv'), new Date(), new Date())
  await ended('on_file', 3)
  expect(await runsOf('on_file')).toHaveLength(3)
  expect(await runsOf('on_table')).toHaveLength(1)
  expect((await project.sluice('schedule', 'on_table')).stdout).toContain(
    'on_table runs on new versions of silver.sales.',
  )
}, 60_000)
