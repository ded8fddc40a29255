import { expect, it } from 'vitest'
import { hunt, MUTANTS, type Mutant } from './mutants.js'

/** Each guard is found in the seed that it names, or well before this many; docs/simulation.md says after how many. */
const SEEDS = 300
/** Guards that another one stands behind: a smaller number of seeds shows that nothing is missed at once. */
const SEEDS_FOR_NOTHING = 15

const found = MUTANTS.filter(({ foundBy }) => foundBy !== null)
const behind = MUTANTS.filter(({ foundBy }) => foundBy === null)
const named = (mutants: Mutant[]) => mutants.map((mutant) => ({ mutant, name: mutant.without.join(' and ') }))

it.each(named(found))('notices when $name is missing', async ({ mutant }) => {
  const { seeds, violated } = await hunt(mutant, SEEDS, mutant.seed)
  expect(seeds, `only violated: ${[...violated].join(', ') || 'nothing'}`).not.toBeNull()
})

it.each(named(behind))('is not broken without $name, as another guard stands behind it', async ({ mutant }) => {
  expect([...(await hunt(mutant, SEEDS_FOR_NOTHING)).violated]).toEqual([])
})
