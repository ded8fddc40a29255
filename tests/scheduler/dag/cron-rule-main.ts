import { DENSE, SPARSE, scanZone, YEARS, ZONES } from './cron-oracle.js'
import { compare } from './cron-rule.js'

/** By hand: every expression in every zone over all years, minute by minute; prints what differs. */
const started = performance.now()
let [ticks, differences] = [0, 0]
for (const { timezone, year } of ZONES) {
  const scan = scanZone(timezone, Date.UTC(year, 0, 1), Date.UTC(year + YEARS, 0, 1))
  for (const cron of [...SPARSE, ...DENSE]) {
    const result = compare(cron, timezone, scan)
    ticks += result.ticks
    if (result.difference === null) continue
    differences += 1
    console.log(result.difference)
  }
}
const expressions = SPARSE.length + DENSE.length
const seconds = ((performance.now() - started) / 1_000).toFixed(0)
console.log(
  `${ZONES.length} zones x ${expressions} expressions x ${YEARS} years: ${ticks} due instants, ${differences} differences, ${seconds} s`,
)
process.exitCode = differences === 0 ? 0 : 1
