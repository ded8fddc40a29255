import { posix, resolve } from 'node:path'
import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import { rootOf } from '../../operators/project-path.js'
import type { Report } from './report.js'
import { didYouMean } from './suggest.js'
import { checkCatalog, type TaskFacts } from './task-checks.js'
import { globBelow, isRemote, writtenGlobs, writtenNames } from './trigger-spec.js'

/** Where the DAG file stands, so that globs can be placed. */
export interface TriggerContext {
  /** path of the DAG file below the DAGs folder */
  file: string
  /** absolute path of the DAGs folder */
  dags: string
  /** absolute path of the project */
  project: string
  /** names of the catalogs; null where they are not known */
  catalogs: ReadonlySet<string> | null
}

/** What the schema cannot say about what starts runs besides time. */
export function checkTriggers(dag: JsonObject, context: TriggerContext, report: Report): void {
  const { schedule } = dag
  if (!isObject(schedule)) return
  for (const key of ['tables', 'dags'] as const) {
    const written = schedule[key]
    if (
      isObject(written) &&
      (written.any === undefined) === (written.all === undefined) &&
      report.isGood(['schedule', key])
    ) {
      const message =
        written.any === undefined ? `\`${key}\` needs \`any\` or \`all\`` : `\`${key}\` has both \`any\` and \`all\``
      report.error(['schedule', key], 'key', message, `for example ${key}: { all: [one, two] }`)
    }
  }
  for (const { name, path } of writtenNames(schedule as JsonObject, 'tables')) {
    if (report.isGood(path)) checkCatalog(name, path, context, report)
  }
  for (const { name, path } of writtenNames(schedule as JsonObject, 'dags')) {
    if (name === dag.dag) report.error(path, 'value', `the DAG \`${name}\` waits for itself`, 'remove it')
  }
  checkFiles(schedule as JsonObject, context, report)
  if (isObject(schedule.webhooks)) checkWebhooks(schedule.webhooks as JsonObject, dag, report)
}

function checkFiles(schedule: JsonObject, context: TriggerContext, report: Report): void {
  const { files } = schedule
  const connection = isObject(files) ? files.connection : undefined
  const globs = writtenGlobs(schedule)
  for (const { name, path } of globs) {
    if (!report.isGood(path)) continue
    const label = name.slice(0, 100)
    if (isRemote(name) !== (connection !== undefined)) {
      const hint = isRemote(name)
        ? 'name a connection of type s3: files: { path: s3://bucket/*.csv, connection: minio }'
        : 'with `connection` all paths are s3:// URLs'
      report.error(path, 'value', `\`${label}\` ${isRemote(name) ? 'is in a bucket' : 'is in no bucket'}`, hint)
    } else if (isRemote(name)) {
      if (/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/./.test(name)) continue
      report.error(path, 'value', `\`${label}\` is not of the form s3://bucket/key`)
    } else checkInside(name, path, context, report)
  }
  if (!isObject(files) || typeof files.stable !== 'string' || !report.isGood(['schedule', 'files', 'stable'])) return
  if (parseDuration(files.stable) === null) {
    const message = `\`stable\` is not a duration: ${files.stable.slice(0, 50)}`
    report.error(['schedule', 'files', 'stable'], 'value', message, 'for example 10s')
  }
}

/** Behind a wildcard `..` could climb anywhere, so it is refused there. */
function checkInside(glob: string, path: (string | number)[], context: TriggerContext, report: Report): void {
  const below = globBelow(glob, posix.dirname(context.file))
  const fixed = below.slice(0, below.search(/[*?[\]{}()!+@]|$/))
  const start = resolve(context.dags, fixed === '' ? '.' : fixed)
  if (rootOf(start, [context.project, context.dags]) !== null && !below.slice(fixed.length).split('/').includes('..'))
    return
  report.error(path, 'value', `\`${glob.slice(0, 100)}\` leads outside the project`, 'watch a folder of the project')
}

/** A delivery must bring every parameter without a default. */
function checkWebhooks(webhooks: JsonObject, dag: JsonObject, report: Report): void {
  const params = isObject(dag.params) ? (dag.params as JsonObject) : {}
  for (const [name, hook] of Object.entries(webhooks)) {
    const path = ['schedule', 'webhooks', name]
    if (!isObject(hook) || !report.isGood(path)) continue
    const mapped = isObject(hook.params) ? Object.keys(hook.params) : []
    for (const param of mapped) {
      if (Object.hasOwn(params, param)) continue
      const hint = didYouMean(param, Object.keys(params)) || 'declare it under `params`'
      report.error([...path, 'params', param], 'key', `there is no parameter \`${param.slice(0, 100)}\``, hint)
    }
    const missing = Object.entries(params).find(
      ([param, spec]) => isObject(spec) && spec.default === undefined && !mapped.includes(param),
    )
    if (missing === undefined) continue
    const message = `\`${missing[0]}\` has no default, and deliveries to \`${name}\` do not bring it`
    report.error(path, 'key', message, `add it to \`params\` of the webhook, or give it a \`default\``)
  }
}

/** A DAG that writes the table it waits for would start itself for ever. */
export function checkOwnWrites(
  schedule: Json | undefined,
  facts: ReadonlyMap<string, Pick<TaskFacts, 'operator' | 'config'>>,
  report: Report,
): void {
  const waitedFor = writtenNames(schedule, 'tables')
  if (waitedFor.length === 0) return
  for (const [task, { operator, config }] of facts) {
    const writes = operator.tables?.(config).writes ?? []
    for (const { name, path } of waitedFor) {
      if (!writes.includes(name)) continue
      report.error(path, 'value', `the DAG waits for \`${name}\`, which its task \`${task}\` writes`, 'remove it')
    }
  }
}
