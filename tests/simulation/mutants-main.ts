import { hunt, MUTANTS } from './mutants.js'

/** `node dist/tests/simulation/mutants-main.js [SEEDS]`: how many seeds the simulation needs for each missing guard. */
const limit = Number(process.argv[2] ?? 1_000)
for (const mutant of MUTANTS) {
  const { seeds, violated } = await hunt(mutant, limit)
  const found = seeds === null ? `not found in ${limit} seeds` : `found in ${seeds} seeds`
  process.stdout.write(`${mutant.without.join(' + ')}: ${found}; violated: ${[...violated].join(', ') || 'nothing'}\n`)
}
