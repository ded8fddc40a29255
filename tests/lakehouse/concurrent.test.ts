import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openLakehouse } from '../../lakehouse/open.js'
import { processEntry } from '../../package-root.js'
import { readDelta } from './independent-reader.js'
import { Lake, writeRequest } from './subject.js'

let lake: Lake
beforeEach(() => {
  lake = new Lake()
})
afterEach(() => lake.remove())

it('writers of several processes lose and double nothing', async () => {
  const WRITERS = 4
  const COMMITS = 8
  const exits = Array.from({ length: WRITERS }, async (_, index) => {
    const args = [
      processEntry('tests/lakehouse/concurrent-writer.js'),
      JSON.stringify(lake.config),
      `w${index}`,
      String(COMMITS),
    ]
    const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')
    return code as number
  })
  expect(await Promise.all(exits)).toEqual(Array(WRITERS).fill(0))
  const { rows, version, tokens } = await readDelta(join(lake.project, 'lake/silver/t'))
  expect(version).toBe(WRITERS * COMMITS - 1)
  expect(new Set(tokens).size).toBe(WRITERS * COMMITS)
  expect(rows.map((row) => `${row.writer} ${row.n}`).sort()).toEqual(
    [...new Set(rows.map((row) => `${row.writer} ${row.n}`))].sort(),
  )
  expect(rows).toHaveLength(WRITERS * COMMITS)
}, 60_000)

it('sixteen writers at once on one table all get their commit', async () => {
  const houses = await Promise.all(Array.from({ length: 16 }, () => openLakehouse(lake.config)))
  const writes = houses.map((house, index) => {
    const source = { kind: 'select' as const, sql: `select ${index}::bigint as n` }
    return house.write(writeRequest('silver.t', source, { mode: 'append', token: `t${index}` }))
  })
  const outcomes = await Promise.all(writes)
  await Promise.all(houses.map((house) => house.close()))
  expect(outcomes.map((outcome) => outcome.outcome)).toEqual(Array(16).fill('published'))
  const { rows } = await readDelta(join(lake.project, 'lake/silver/t'))
  expect(rows.map((row) => Number(row.n)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 16 }, (_, index) => index),
  )
}, 60_000)

it('merges at once into one table leave each key once', async () => {
  await lake.write('silver.m', 'select range::bigint as id, 0::bigint as by from range(10)'.replace(' by ', ' writer '))
  const houses = await Promise.all(Array.from({ length: 6 }, () => openLakehouse(lake.config)))
  const merges = houses.map((house, index) => {
    const sql = `select range::bigint as id, ${index + 1}::bigint as writer from range(${index}, ${index + 8})`
    return house.write(
      writeRequest('silver.m', { kind: 'select', sql }, { mode: 'merge', keys: ['id'], token: `m${index}` }),
    )
  })
  await Promise.all(merges)
  await Promise.all(houses.map((house) => house.close()))
  const { rows } = await readDelta(join(lake.project, 'lake/silver/m'))
  expect(rows.map((row) => Number(row.id)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 13 }, (_, index) => index),
  )
}, 60_000)
