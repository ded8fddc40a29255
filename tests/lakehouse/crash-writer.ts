import { type CrashPoint, crashPoints } from '../../lakehouse/crash-points.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from './subject.js'

/** `crash-writer CONFIG POINT MODE TOKEN`: writes once and kills itself at the point; `never` lets it finish. */
const [config = '', point = 'never', mode = 'append', token = 'token'] = process.argv.slice(2)
crashPoints.reached = (reached: CrashPoint) => {
  if (reached === point) process.kill(process.pid, 'SIGKILL')
}
const house = await openLakehouse(JSON.parse(config))
const sql = 'select id, 2::bigint as revision from silver.source'
const request = writeRequest(
  'silver.t',
  { kind: 'select', sql },
  {
    mode: mode as 'append' | 'merge',
    keys: mode === 'merge' ? ['id'] : [],
    token,
    checks: [
      { kind: 'row_count', options: { min: 1 }, severity: 'error', name: 'enough' },
      { kind: 'range', options: { column: 'id', max: 100 }, severity: 'warn', name: 'range id' },
    ],
  },
)
const { outcome, checks, reads } = await house.write(request)
await house.close()
process.stdout.write(JSON.stringify({ outcome, checks, reads }))
