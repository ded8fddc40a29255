import { openLakehouse } from '../../lakehouse/open.js'

/** `s3-cache-reader CONFIG TIMES`: reads a table again and again, each time as a newcomer, and prints what it found. */
const [config = '', times = '1'] = process.argv.slice(2)
for (let round = 0; round < Number(times); round++) {
  const house = await openLakehouse(JSON.parse(config))
  const { rows } = await house.query('select count(*) as n, sum(id) as total from silver.t', { maxRows: 1 })
  process.stdout.write(`${JSON.stringify(rows)}\n`)
  await house.close()
}
