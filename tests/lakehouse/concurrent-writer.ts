import { openLakehouse } from '../../lakehouse/open.js'
import { lakeConfig, writeRequest } from './subject.js'

/** `concurrent-writer PROJECT NAME COMMITS`: appends one row a commit, each token twice. */
const [project = '', name = '', commits = '1'] = process.argv.slice(2)
const house = await openLakehouse(lakeConfig(project))
for (let index = 0; index < Number(commits); index++) {
  const source = { kind: 'select' as const, sql: `select '${name}' as writer, ${index}::bigint as n` }
  const request = writeRequest('silver.t', source, { mode: 'append', token: `${name}/${index}` })
  await Promise.all([house.write(request), house.write(request)])
}
await house.close()
