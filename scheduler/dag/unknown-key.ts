import type { ErrorObject } from 'ajv/dist/2020.js'
import { isObject } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import type { Finding } from './explain.js'
import { didYouMean, listed } from './suggest.js'
import { TASK_KEYS } from './task-schema.js'
import type { Path } from './tree.js'

/** Words of other schedulers, and what they are called here. */
const ELSEWHERE: Record<string, string> = {
  depends_on: 'needs',
  depends: 'needs',
  upstream: 'needs',
  dependencies: 'needs',
  schedule_interval: 'schedule',
  cron: 'schedule',
  start_date: 'start',
  dag_id: 'dag',
  name: 'dag',
  id: 'dag',
  default_args: 'defaults',
  execution_timeout: 'timeout',
  retry: 'retries',
  retry_exponential_backoff: 'backoff',
  max_retry_delay: 'max_delay',
  priority_weight: 'priority',
  parameters: 'params',
  environment: 'env',
  if: 'when',
  condition: 'when',
  shell: 'bash',
  command: 'bash',
  script: 'bash',
  run: 'bash',
  steps: 'tasks',
  jobs: 'tasks',
}

/** The sentence for a key that the schema does not know at this place, with what was most likely meant. */
export function unknownKey(
  parent: Path,
  key: string,
  error: ErrorObject,
  operators: ReadonlyMap<string, Operator>,
): Finding {
  const path = [...parent, key]
  const properties =
    isObject(error.parentSchema) && isObject(error.parentSchema.properties) ? error.parentSchema.properties : {}
  const accepted = Object.keys(properties)
  const message = `unknown key \`${key.slice(0, 100)}\`; accepted are ${listed(accepted)}`
  return { path, at: 'key', message, hint: hintFor(parent, key, accepted, operators) }
}

function hintFor(
  parent: Path,
  key: string,
  accepted: readonly string[],
  operators: ReadonlyMap<string, Operator>,
): string {
  const translated = Object.hasOwn(ELSEWHERE, key) ? ELSEWHERE[key] : undefined
  if (translated !== undefined && accepted.includes(translated)) return `did you mean \`${translated}\`?`
  const near = didYouMean(key, accepted)
  if (near !== '') return near
  const inTask = parent[0] === 'tasks'
  if (inTask && parent.length === 2) {
    const owners = [...operators.values()]
      .filter((operator) => hasProperty(operator.schema, key))
      .map(({ type }) => type)
    return owners.length === 0 ? '' : `\`${key}\` belongs below ${listed(owners)}`
  }
  if (inTask && parent.length === 3 && Object.hasOwn(TASK_KEYS, key)) {
    return `\`${key}\` belongs to the task, beside \`${parent[2]}\``
  }
  return ''
}

function hasProperty(schema: unknown, key: string): boolean {
  return isObject(schema) && isObject(schema.properties) && Object.hasOwn(schema.properties, key)
}
