import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import { type RoleKeys, roleWith } from './minio-role.js'
import { S3Lake } from './s3-lake.js'
import { S3Place } from './s3-place.js'

/** Keys that may do what compose.yaml's user may. */
function keysOf(user: string): Promise<RoleKeys> {
  return roleWith(readFileSync(join(PACKAGE_ROOT, `docker/minio/${user}-policy.json`), 'utf8'))
}

const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

function placeOf(keys: RoleKeys) {
  const place = new S3Place(undefined, keys)
  const open = (location?: string) => {
    const store = place.open(location === undefined ? {} : { location })
    opened.push(() => store.close())
    return store
  }
  opened.push(() => place.remove())
  return { place, open }
}

describe('the policy of MinIO’s user', () => {
  it('sluice is enough to make tables, change them and clear them up', async () => {
    const lake = new S3Lake(undefined, await keysOf('sluice'))
    opened.push(() => lake.remove())
    await lake.write('silver.t', 'select range as n, repeat(range::varchar, 50) as text from range(100000)')
    await lake.write('silver.t', `select 7 as n, 'x' as text`, { mode: 'merge', keys: ['n'] })
    await (await lake.house()).rollback('silver.t', 0, { user: 'ada', reason: 'test', now: Date.now() })
    expect(await lake.rows('select count(*), count(distinct n) from silver.t')).toEqual([[100_000, 100_000]])
  })

  it.each(['sluice', 'trino', 'spark'])('%s is enough for files of tables', async (user) => {
    const { open } = placeOf(await keysOf(user))
    const store = open()
    await store.assertWritable()
    await store.put('a/b', Buffer.from('whole'))
    expect(String(await store.read('a/b'))).toBe('whole')
    expect(await store.list('a')).toEqual(['b'])
    await store.deleteAll('a')
    expect(await store.read('a/b')).toBeNull()
  })

  it.each([
    ['sluice', 's3://landing/in', 'write'],
    ['sluice', 's3://private/in', 'read'],
    ['trino', 's3://task-logs/in', 'read'],
    ['trino', 's3://landing/in', 'read'],
    ['spark', 's3://task-logs/in', 'read'],
    ['spark', 's3://landing/in', 'write'],
  ])('%s does not open %s to %s', async (user, location, what) => {
    const store = placeOf(await keysOf(user)).open(location)
    const asked = what === 'read' ? store.read('a') : store.put('a', Buffer.from('x'))
    await expect(asked).rejects.toMatchObject({ code: 'OBJECT_STORE_DENIED' })
  })
})
