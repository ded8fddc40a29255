import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sharedNamespace, storeNamespace } from '../../../scheduler/cluster/namespace.js'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { Cluster } from './cluster.js'
import { OwnPostgres } from './own-postgres.js'
import { OwnRedis } from './own-redis.js'

let postgres: OwnPostgres
let redis: OwnRedis
let cluster: Cluster | null = null
beforeAll(async () => {
  ;[postgres, redis] = await Promise.all([OwnPostgres.start(), OwnRedis.start()])
})
afterAll(async () => {
  await cluster?.remove()
  await redis?.down()
  await postgres?.remove()
})

/** With another host, database or user. */
function address(change: { hostname?: string; pathname?: string; username?: string }): string {
  return Object.assign(new URL(postgres.url), change).href
}

async function nameOf(url: string, said: string[] = []): Promise<string> {
  const database = await PostgresDatabase.open(url, { connections: 1 })
  const tell = (_: object, message: string) => void said.push(message)
  const name = await sharedNamespace(database, url, { debug: tell, info: tell, warn: tell, error: tell })
  await database.close()
  return name
}

it('a store has one name, by whichever address and role, and no other database has it', async () => {
  const admin = await PostgresDatabase.open(postgres.url, { connections: 1 })
  for (const sql of ['create role plain login', 'create database other']) await admin.query(sql)
  const said: string[] = []
  const name = await nameOf(postgres.url, said)
  expect(await nameOf(address({ hostname: 'localhost' }), said)).toBe(name)
  expect(await nameOf(address({ username: 'plain' }), said)).toBe(name)
  expect(await nameOf(address({ pathname: '/other' }), said)).not.toBe(name)
  expect(said).toEqual([])
  await admin.query('revoke execute on function pg_control_system() from public')
  const plain = address({ username: 'plain' })
  expect(await nameOf(plain, said)).toBe(storeNamespace(plain))
  expect(said).toEqual([expect.stringContaining('pg_control_system()')])
  await admin.query('grant execute on function pg_control_system() to public')
  await admin.close()
})

it('parts that reach their store by different addresses hear each other', async () => {
  cluster = await Cluster.create(
    { postgres: postgres.url, redis: redis.url },
    { 'dags/one.yaml': `dag: one\ntasks:\n  only: { bash: ["true"] }\n` },
  )
  await cluster.start('webserver')
  await cluster.start('scheduler')
  const config = await readFile(`${cluster.folder}/sluice.yaml`, 'utf8')
  await cluster.write('sluice.yaml', config.replace(`127.0.0.1:${postgres.port}`, `localhost:${postgres.port}`))
  await cluster.start('worker')
  await cluster.knows('one')
  const run = await cluster.trigger('one')
  expect((await cluster.ended([run], 30_000)).get(run)).toBe('success')
  const channels = (await redis.ask((connection) => connection.pubsub('CHANNELS', 'sluice-*'))) as string[]
  const prefixes = new Set(channels.map((channel) => channel.split('.')[0]))
  expect([channels.length > 0, prefixes.size]).toEqual([true, 1])
})
