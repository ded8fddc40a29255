import { durationProblem } from '../duration-problem.js'
import { requestProblems } from '../http/problems.js'
import type { ConfigProblem } from '../operator.js'
import { instantOrNull, type WaitForConfig } from './config.js'

const DURATIONS = ['stable', 'max_age', 'after', 'every', 'timeout'] as const
const INSTANTS = ['until', 'changed_since'] as const

/** What of a wait could never come, so that nobody finds out from a task that has failed. */
export function waitProblems(config: WaitForConfig, isOutside: (path: string) => boolean): ConfigProblem[] {
  return [
    ...DURATIONS.flatMap((key) => durationProblem([key], config[key])),
    ...INSTANTS.flatMap((key) => instantProblem(key, config[key])),
    ...(config.http === undefined ? [] : requestProblems(config.http).map(belowHttp)),
    ...connectionProblem(config),
    ...fileProblem(config, isOutside),
  ]
}

const belowHttp = (problem: ConfigProblem): ConfigProblem => ({ ...problem, path: ['http', ...problem.path] })

function instantProblem(key: string, text: string | undefined): ConfigProblem[] {
  if (text === undefined || text.includes('{{') || instantOrNull(text) !== null) return []
  const message = `\`${key}\` is neither a date nor an instant: ${text.slice(0, 50)}`
  return [{ path: [key], message, hint: 'write ISO 8601 with its zone, such as 2026-01-31T07:30:00Z' }]
}

/** A bucket needs one; where none is needed it would be passed over in silence. */
function connectionProblem({ file, sql, http, connection }: WaitForConfig): ConfigProblem[] {
  const inBucket = file?.startsWith('s3://') ?? false
  if (inBucket && connection === undefined) {
    const hint = 'add `connection` with the name of one of type s3 in sluice.yaml'
    return [{ path: ['file'], message: 'a file in a bucket needs a `connection`', hint }]
  }
  if (connection === undefined || inBucket || sql !== undefined || file?.startsWith('{{')) return []
  const hint = http === undefined ? 'remove it' : 'write it below `http`'
  return [{ path: ['connection'], message: '`connection` belongs to a `file` in a bucket or to `sql`', hint }]
}

function fileProblem({ file }: WaitForConfig, isOutside: (path: string) => boolean): ConfigProblem[] {
  // a template may begin with the address of a bucket
  if (file === undefined || file.startsWith('s3://') || file.startsWith('{{')) return []
  if (!isOutside(file)) return []
  const message = `${file.slice(0, 100)} leads outside the project`
  return [{ path: ['file'], message, hint: 'paths start in the folder of the DAG file' }]
}
