import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunListEntry } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { Cluster } from './cluster.js'
import { OwnRedis } from './own-redis.js'

const postgres = process.env.PG_DSN ?? ''
const DAGS = {
  'dags/daily.yaml': `dag: daily
schedule: "0 6 * * *"
tasks:
  mark: { sql: { query: "select {{ run.id }} as run", to: bronze.marks, mode: append } }
`,
  'dags/held.yaml': `dag: held
defaults: { retries: 2, retry_delay: 0s }
tasks:
  hold: { bash: "sleep 1.5" }
  mark: { needs: [hold], sql: { query: "select {{ run.id }} as run", to: bronze.held, mode: append } }
`,
}

let redis: OwnRedis
let cluster: Cluster
const restored = `restored_${randomUUID().replaceAll('-', '').slice(0, 12)}`
const folder = mkdtempSync(join(tmpdir(), 'sluice-dump-'))
beforeAll(async () => {
  if (postgres === '') throw new Error('PG_DSN must name a PostgreSQL server')
  redis = await OwnRedis.start()
})
afterAll(async () => {
  await cluster?.remove()
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  await admin.query(`drop database if exists ${restored} with (force)`)
  await admin.close()
  await redis?.down()
  rmSync(folder, { recursive: true, force: true })
})

it('goes on from a dump that was taken while it ran', async () => {
  cluster = await Cluster.create({ postgres, redis: redis.url }, DAGS)
  const parts = [await cluster.start('webserver'), await cluster.start('scheduler'), await cluster.start('worker')]
  await cluster.knows('held')
  const done = await cluster.trigger('daily')
  await cluster.ended([done], 30_000)
  const { code, stdout } = await cluster.sluice('users', 'add', 'ana', '--role', 'operator')
  expect(code).toBe(0)
  expect(stdout).toContain('/login?token=')
  const going = await cluster.trigger('held')

  const dump = join(folder, 'sluice.dump')
  execFileSync('pg_dump', ['--format=custom', '--file', dump, cluster.storeUrl])
  // what happens after the dump is forgotten by the store, not by the table
  await cluster.ended([going], 30_000)
  await Promise.all(parts.map((part) => part.end('SIGKILL')))

  const url = new URL(cluster.storeUrl)
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  await admin.query(`create database ${restored}`)
  await admin.close()
  url.pathname = `/${restored}`
  execFileSync('pg_restore', ['--no-owner', '--dbname', url.href, dump])
  await cluster.write('sluice.yaml', `store: ${url.href}\nqueue: ${redis.url}\n`)
  await cluster.start('webserver')
  await cluster.start('scheduler')
  await cluster.start('worker')

  const states = await cluster.ended([done, going], 90_000)
  expect(states).toEqual(
    new Map([
      [done, 'success'],
      [going, 'success'],
    ]),
  )
  expect(await deltaRows(`${cluster.folder}/data/lake/bronze/held`)).toHaveLength(1)
  const dags = await cluster.call<{ dag: string; next_due: string | null }[]>('GET', '/dags')
  expect(dags.find(({ dag }) => dag === 'daily')?.next_due).toMatch(/T06:00:00/)
  const users = await cluster.sluice('users', '--json')
  expect(JSON.parse(users.stdout)).toContainEqual(expect.objectContaining({ name: 'ana', role: 'operator' }))
  const next = await cluster.trigger('daily')
  expect((await cluster.ended([next], 30_000)).get(next)).toBe('success')
  expect((await cluster.call<RunListEntry[]>('GET', '/runs')).length).toBe(3)
}, 240_000)
