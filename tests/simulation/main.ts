import { parseArgs } from 'node:util'
import { simulate } from './simulation.js'

/**
 * `npm run simulate -- --seeds 10000 [--from N] [--seed N]`: runs seeds until one breaks an invariant, then prints its
 * history. `--seed N` runs that one and prints its history whatever it finds. The exit code is 1 when something was found.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
})

const first = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write('Give --seeds, --from and --seed as whole numbers.\n')
  process.exit(2)
}

const started = performance.now()
let runs = 0
let attempts = 0
for (let seed = first; seed < first + count; seed += 1) {
  const result = await simulate(seed)
  runs += result.runs
  attempts += result.attempts
  if (result.violations.length > 0 || values.seed !== undefined) {
    process.stdout.write(`${result.history.join('\n')}\n`)
    process.stdout.write(`seed ${seed}, history ${result.hash}\n`)
    for (const { message } of result.violations) process.stdout.write(`${message}\n`)
    process.exitCode = result.violations.length > 0 ? 1 : 0
    break
  }
  if ((seed - first + 1) % 500 === 0) process.stderr.write(`${seed - first + 1} seeds\n`)
}
const seconds = ((performance.now() - started) / 1_000).toFixed(1)
process.stdout.write(`${runs} runs, ${attempts} attempts in ${seconds} s\n`)
