import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from './subject.js'

/** `concurrent-writer CONFIG NAME COMMITS`: appends one row a commit, each token twice. */
const [config = '', name = '', commits = '1'] = process.argv.slice(2)
const house = await openLakehouse(JSON.parse(config))
for (let index = 0; index < Number(commits); index++) {
  const source = { kind: 'select' as const, sql: `select '${name}' as writer, ${index}::bigint as n` }
  const request = writeRequest('silver.t', source, { mode: 'append', token: `${name}/${index}` })
  await Promise.all([house.write(request), house.write(request)])
}
await house.close()
