import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from '../lakehouse/subject.js'
import type { WriterOrder } from './crowd.js'

/** One of a crowd: says that it is ready, waits for its order, and appends a row a commit. */
const [config = ''] = process.argv.slice(2)
const house = await openLakehouse(JSON.parse(config))
// what a process loads at its first query is loaded before the crowd begins
await house.query('select 1', { maxRows: 1 })

process.once('message', ({ table, first, commits, token }: WriterOrder) => {
  write(table, first, commits, token).then(
    () => process.disconnect(),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
      process.exit(1)
    },
  )
})
process.send?.('ready')

async function write(table: string, first: number, commits: number, token: string): Promise<void> {
  for (let n = 0; n < commits; n++) {
    const source = { kind: 'select' as const, sql: `select ${first + n}::bigint as n` }
    const request = writeRequest(table, source, { mode: 'append', token: `${token}/${n}` })
    const { outcome } = await house.write(request)
    if (outcome !== 'published') throw new Error(`${request.token}: ${outcome}`)
  }
  await house.close()
}
