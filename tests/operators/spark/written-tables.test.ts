import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lakehouse, TableVersion } from '../../../lakehouse/lakehouse.js'
import { openLakehouse } from '../../../lakehouse/open.js'
import { checkedTable, commitsSince, versionsNow } from '../../../operators/spark/written-tables.js'
import { writeRequest } from '../../../operators/tables/destination.js'
import { NOW, type TestContext, TestProject } from '../operator-context.js'

const project = new TestProject()
let lakehouse: Lakehouse
beforeAll(async () => {
  lakehouse = await openLakehouse({
    project: project.project,
    catalogs: { lake: { format: 'delta', location: `${project.project}/lake` } },
    connections: { lakehouse: { type: 'duckdb', memory_limit: '512MB' } },
  })
})
afterAll(async () => {
  await lakehouse.close()
  project.remove()
})

const context = (token: string, own: Lakehouse = lakehouse): TestContext =>
  project.context({}, { token, lakehouse: () => Promise.resolve(own) })

/** One commit that carries a token, as a job of that task would make it. */
async function commit(table: string, ctx: TestContext): Promise<void> {
  await lakehouse.write(writeRequest({ kind: 'select', sql: 'select 1 as id' }, { to: table, mode: 'append' }, ctx))
}

describe('the commits of a job', () => {
  it('are the new ones that carry its token; those of other tasks are left out', async () => {
    const table = 'bronze.shared'
    await commit(table, context('before'))
    const ctx = context('ours')
    const before = await versionsNow([table, 'bronze.absent'], ctx)
    expect(before).toEqual({ [table]: 0, 'bronze.absent': null })
    await commit(table, context('theirs'))
    await commit(table, ctx)
    const commits = await commitsSince(before, NOW, ctx)
    expect(commits).toMatchObject([{ table, versionBefore: 1, version: 2, rowsAdded: 1 }])
    expect(ctx.lines).toContain('warn The job says it writes bronze.absent, but there is no such table after it.')
  })

  it('of an earlier attempt are found by the token', async () => {
    const table = 'bronze.again'
    await commit(table, context('ours'))
    const ctx = context('ours')
    const commits = await commitsSince(await versionsNow([table], ctx), NOW, ctx)
    expect(commits).toMatchObject([{ version: 0, versionBefore: null }])
  })

  it('that name nobody are those made meanwhile', async () => {
    const version = (number: number, committedAt: number): TableVersion => ({
      version: number,
      committedAt,
      operation: 'write',
      rowsAdded: null,
      rowsUpdated: null,
      rowsRemoved: null,
      run: null,
      task: null,
      attempt: null,
      user: null,
      reason: '',
      token: null,
    })
    // newest first: one while the job ran, one of long before whose number is new all the same, and the one before
    const versions = [version(9, NOW + 5), version(8, NOW - 3_600_000), version(7, NOW - 7_200_000)]
    const summary = { version: 9 } as Awaited<ReturnType<Lakehouse['summary']>>
    const own = { ...lakehouse, summary: async () => summary, versions: async () => versions } as Lakehouse
    const ctx = context('ours', own)
    expect(await commitsSince({ 'bronze.x': 7 }, NOW, ctx)).toMatchObject([{ version: 9, versionBefore: 8 }])
    expect(ctx.lines.join()).toMatch(/Version 9 of bronze\.x names no task/)
  })
})

describe('checks', () => {
  const check = { kind: 'not_null', options: ['id'], severity: 'error' as const, name: 'not_null id' }

  it('need one table', () => {
    const ctx = project.context({}, { checks: [check] })
    expect(checkedTable(['bronze.a'], ctx)).toBe('bronze.a')
    expect(() => checkedTable([], ctx)).toThrow(/exactly one table in `writes`/)
    expect(() => checkedTable(['bronze.a', 'bronze.b'], ctx)).toThrow(/exactly one table/)
    expect(checkedTable([], project.context())).toBeNull()
  })
})
