import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../../package-root.js'
import type { AttemptShape, RunListEntry } from '../../../scheduler/shapes.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { deltaRows } from '../../e2e/faults/delta-rows.js'
import { S3Place } from '../s3-place.js'
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
  hold: { bash: { command: "until [ -e dumped ]; do sleep 0.1; done", cwd: . } }
  said: { needs: [hold], bash: { command: "cat words", cwd: . } }
  mark: { needs: [said], sql: { query: "select {{ run.id }} as run", to: bronze.held, mode: append } }
  iced: { needs: [said], sql: { query: "select {{ run.id }} as run", to: ice.bronze.held, mode: append } }
`,
}

/** Logs and an Iceberg table in a bucket; the catalog of the table lies in the database of the store, so one dump holds both. */
function config(place: S3Place, storeUrl: string): string {
  const { hostname: host, port, pathname, username: user, password } = new URL(storeUrl)
  const database = pathname.slice(1)
  const ice = {
    ...{ format: 'iceberg', location: `${place.location}/ice`, connection: 'minio' },
    jdbc: { connection: 'ice_catalog', name: 'ice' },
  }
  const catalog = { type: 'postgres', host, port: Number(port || 5432), database, user, password }
  return [
    `logs: ${JSON.stringify({ location: `${place.location}/logs`, connection: 'minio' })}`,
    `catalogs: ${JSON.stringify({ lake: { format: 'delta', location: './data/lake' }, ice })}`,
    `connections: ${JSON.stringify({ minio: place.connection, ice_catalog: catalog })}`,
  ].join('\n')
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
  const place = new S3Place()
  cluster = await Cluster.create({ postgres, redis: redis.url }, DAGS)
  const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  await store.script(readFileSync(join(PACKAGE_ROOT, 'docker/postgres/iceberg-catalog.sql'), 'utf8'))
  await store.close()
  const sluiceYaml = (url: string) => `store: ${url}\nqueue: ${redis.url}\n${config(place, url)}\n`
  await cluster.write('sluice.yaml', sluiceYaml(cluster.storeUrl))
  await cluster.write('dags/words', 'of the history that is lost\n'.repeat(500))
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
  await cluster.write('dags/dumped', '')
  // what happens after the dump is forgotten by the store and the catalog, not by the bucket
  await cluster.ended([going], 30_000)
  await Promise.all(parts.map((part) => part.end('SIGKILL')))

  const url = new URL(cluster.storeUrl)
  const admin = await PostgresDatabase.open(postgres, { connections: 1 })
  await admin.query(`create database ${restored}`)
  await admin.close()
  url.pathname = `/${restored}`
  execFileSync('pg_restore', ['--no-owner', '--dbname', url.href, dump])
  await cluster.write('sluice.yaml', sluiceYaml(url.href))
  await cluster.write('dags/words', 'of the history that goes on\n')
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
  const { code: asked, stdout: rows } = await cluster.sluice('query', 'select run from ice.bronze.held', '--json')
  expect({ asked, rows: JSON.parse(rows) }).toEqual({ asked: 0, rows: [{ run: going }] })
  // it is the same attempt once more, over the longer log of the one that the store has forgotten
  const said = await cluster.call<AttemptShape[]>('GET', `/runs/${going}/tasks/said/attempts`)
  expect(said.map(({ attempt, result }) => [attempt, result])).toEqual([[1, 'success']])
  const log = await cluster.text(`/api/v1/runs/${going}/tasks/said/attempts/1/log`)
  expect(log).toContain('of the history that goes on')
  expect(log).not.toContain('of the history that is lost')
  const dags = await cluster.call<{ dag: string; next_due: string | null }[]>('GET', '/dags')
  expect(dags.find(({ dag }) => dag === 'daily')?.next_due).toMatch(/T06:00:00/)
  const users = await cluster.sluice('users', '--json')
  expect(JSON.parse(users.stdout)).toContainEqual(expect.objectContaining({ name: 'ana', role: 'operator' }))
  const next = await cluster.trigger('daily')
  expect((await cluster.ended([next], 30_000)).get(next)).toBe('success')
  expect((await cluster.call<RunListEntry[]>('GET', '/runs')).length).toBe(3)
  await place.remove()
}, 240_000)
