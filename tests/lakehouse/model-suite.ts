import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Lake } from './subject.js'

type Row = { id: number; part: string; value: number }
type Step =
  | { mode: 'overwrite' | 'append' | 'replace_partitions'; rows: Row[] }
  | { mode: 'merge'; rows: Row[] }
  | { mode: 'rollback'; back: number }

const row = fc.record({
  id: fc.integer({ min: 0, max: 8 }),
  part: fc.constantFrom('x', 'y', 'z'),
  value: fc.integer({ min: 0, max: 99 }),
})
const rows = fc.array(row, { minLength: 1, maxLength: 6 })
const unique = fc.uniqueArray(row, { selector: (one) => one.id, minLength: 1, maxLength: 6 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ mode: fc.constantFrom('overwrite' as const, 'append' as const, 'replace_partitions' as const), rows }),
  fc.record({ mode: fc.constant('merge' as const), rows: unique }),
  fc.record({ mode: fc.constant('rollback' as const), back: fc.integer({ min: 1, max: 3 }) }),
)

/** What a table should hold after a step, told in the simplest words. */
function modelled(before: Row[], one: Exclude<Step, { mode: 'rollback' }>): Row[] {
  if (one.mode === 'overwrite') return one.rows
  if (one.mode === 'append') return [...before, ...one.rows]
  if (one.mode === 'replace_partitions') {
    const parts = new Set(one.rows.map(({ part }) => part))
    return [...before.filter(({ part }) => !parts.has(part)), ...one.rows]
  }
  const ids = new Set(one.rows.map(({ id }) => id))
  return [...before.filter(({ id }) => !ids.has(id)), ...one.rows]
}

/** Any series of writes and rollbacks, told in the simplest words, whatever the format. */
export function modelSuite(kind: string, newLake: () => Lake): void {
  it(`any series of writes on ${kind} gives the rows of a plain list`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const lake = newLake()
        try {
          const versions: Row[][] = []
          for (const one of [{ mode: 'overwrite' as const, rows: [{ id: 0, part: 'x', value: 0 }] }, ...steps]) {
            // nothing to go back to yet
            if (one.mode === 'rollback' && versions.length < 2) continue
            versions.push(await apply(lake, versions, one))
            const { rows: found } = await lake.independent('silver.t')
            expect(found.map(asText).sort()).toEqual((versions.at(-1) ?? []).map(asText).sort())
          }
          const queried = await lake.rows('select id, part, value from silver.t')
          expect(queried.map((one) => one.join(' ')).sort()).toEqual((versions.at(-1) ?? []).map(asText).sort())
        } finally {
          await lake.remove()
        }
      }),
      { numRuns: 12 },
    )
  }, 120_000)
}

async function apply(lake: Lake, versions: Row[][], one: Step): Promise<Row[]> {
  if (one.mode === 'rollback') {
    const target = Math.max(0, versions.length - 1 - one.back)
    await (await lake.house()).rollback('silver.t', lake.firstVersion + target, { user: 'mira', reason: '', now: 0 })
    return versions[target] ?? []
  }
  const before = versions.at(-1) ?? []
  // ids may be doubled by an append; a merge then updates each of them, so keys of the table stay unique here
  const merge = one.mode === 'merge' && new Set(before.map(({ id }) => id)).size === before.length
  const mode = one.mode === 'merge' && !merge ? 'append' : one.mode
  const values = one.rows.map(({ id, part, value }) => `(${id}::bigint, '${part}', ${value}::bigint)`).join(', ')
  const partitionBy = versions.length === 0 ? ['part'] : []
  await lake.write('silver.t', `select * from (values ${values}) as t(id, part, value)`, {
    mode,
    keys: merge ? ['id'] : [],
    partitionBy,
  })
  return modelled(before, { ...one, mode })
}

function asText(one: Record<string, unknown>): string {
  return `${one.id} ${one.part} ${one.value}`
}
