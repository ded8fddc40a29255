import { type CrashPoint, crashPoints } from '../../lakehouse/crash-points.js'
import { openLakehouse } from '../../lakehouse/open.js'
import { writeRequest } from './subject.js'

/** `crash-writer CONFIG POINT MODE TOKEN`: writes once and kills itself at the point; `never` lets it finish. */
const [config = '', point = 'never', mode = 'append', token = 'token'] = process.argv.slice(2)
crashPoints.reached = (reached: CrashPoint) => {
  if (reached === point) process.kill(process.pid, 'SIGKILL')
}
const house = await openLakehouse(JSON.parse(config))
const sql = 'select range::bigint as id, 2::bigint as revision from range(50, 150)'
const request = writeRequest(
  'silver.t',
  { kind: 'select', sql },
  { mode: mode as 'append' | 'merge', keys: mode === 'merge' ? ['id'] : [], token },
)
const { outcome } = await house.write(request)
await house.close()
process.stdout.write(outcome)
