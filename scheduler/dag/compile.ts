import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseDuration } from '../../duration.js'
import { isObject, type Json, type JsonObject } from '../../json.js'
import type { Operator } from '../../operators/operator.js'
import { beginsInside } from '../../operators/project-path.js'
import { checkWebhooks } from './alert-schema.js'
import { buildDag } from './build.js'
import { type Composed, compose } from './compose.js'
import { checkDag } from './dag-checks.js'
import { defaultsAbove } from './defaults-files.js'
import { guardBytes, LIMITS, type Position, type TextProblem } from './guard.js'
import type { Dag, Problem } from './model.js'
import { fileStamp, type NamedFile, readNamedFile } from './named-files.js'
import { type ParsedYaml, parseYaml } from './parse.js'
import { Report, sortedProblems } from './report.js'
import type { Calendars } from './schedule-spec.js'
import { didYouMean } from './suggest.js'
import { checkNeeds, checkPool, checkTask, type TaskContext, type TaskFacts } from './task-checks.js'
import { pathText } from './tree.js'
import { checkOwnWrites, checkTriggers } from './trigger-checks.js'
import { triggerNames } from './trigger-spec.js'
import { validatorFor } from './validate.js'

/** What a project sets for the compilation of its DAGs. */
export interface CompileOptions {
  operators: ReadonlyMap<string, Operator>
  /** absolute path of the project */
  project: string
  /** absolute path of the DAGs folder */
  dags: string
  /** names that `sluice.yaml` defines; absent: not known, so any name is accepted */
  vars?: readonly string[]
  pools?: readonly string[]
  catalogs?: readonly string[]
  calendars?: Calendars
  /** names of connections of type webhook */
  webhooks?: readonly string[]
}

/** The options with all that is looked up once for many files. */
export interface CompileContext extends Omit<CompileOptions, 'vars' | 'pools' | 'catalogs' | 'calendars' | 'webhooks'> {
  /** project and DAGs folder, in this order and once if they are the same, with symbolic links resolved: what a DAG names lies below one of them */
  roots: readonly string[]
  vars: ReadonlySet<string> | null
  pools: ReadonlySet<string> | null
  catalogs: ReadonlySet<string> | null
  calendars: Calendars | null
  webhooks: ReadonlySet<string> | null
}

/**
 * What compiling one file needs to know of the project; made once for all files. What the options leave out is not
 * checked.
 * @throws when project or DAGs folder are not there
 */
export function compileContext(options: CompileOptions): CompileContext {
  return {
    ...options,
    roots: [...new Set([realpathSync(options.project), realpathSync(options.dags)])],
    vars: options.vars === undefined ? null : new Set(options.vars),
    pools: options.pools === undefined ? null : new Set(options.pools),
    catalogs: options.catalogs === undefined ? null : new Set(options.catalogs),
    calendars: options.calendars ?? null,
    webhooks: options.webhooks === undefined ? null : new Set(options.webhooks),
  }
}

export interface Compiled {
  /** null when there are errors */
  dag: Dag | null
  problems: Problem[]
  /** the id as far as it could be read; null when the file does not say */
  dagId: string | null
  /** where the id stands */
  idPosition: Position
  /** of each file it names, there or not, by path relative to the DAG file: its stamp just before it was read */
  named: ReadonlyMap<string, string>
}

/**
 * Compiles one DAG file. Never throws for what a file holds: everything wrong with it comes back at once, each problem at
 * its line and column.
 * @param file path of the DAG file below the DAGs folder, with forward slashes
 */
export function compileDag(file: string, bytes: Uint8Array, context: CompileContext): Compiled {
  const guarded = guardBytes(bytes)
  if ('problem' in guarded) return broken(file, [guarded.problem])
  const parsed = parseYaml(guarded.text)
  if ('problems' in parsed) return broken(file, parsed.problems)
  return compileDocument(file, parsed.yaml, context)
}

/** A file that could not even be parsed. */
export function broken(file: string, problems: readonly TextProblem[]): Compiled {
  return {
    dag: null,
    dagId: null,
    idPosition: { line: 1, column: 1 },
    named: new Map(),
    problems: problems.map((problem) => ({ file, path: '', severity: 'error', ...problem })),
  }
}

function compileDocument(file: string, yaml: ParsedYaml, context: CompileContext): Compiled {
  const idPosition = yaml.position(['dag'], 'value')
  const files = new FilesOfDag(file, context)
  const above = defaultsAbove(file, (path) => files.readIfThere(path), context.operators)
  if (above.problems.length > 0) {
    // what it would take over is not known, so all else that is said of the DAG would be guessed
    const own = isObject(yaml.value) && typeof yaml.value.dag === 'string' ? yaml.value.dag : null
    return { dag: null, dagId: own, idPosition, named: files.stamps, problems: above.problems }
  }
  const composed = compose({ file, yaml }, isObject(yaml.value) ? (yaml.value as JsonObject) : {}, above.sources)
  const report = new Report(composed.origin)
  const document = isObject(yaml.value) ? composed.value : yaml.value
  const lost = checkComposed(composed, report)
  for (const finding of validatorFor(context.operators).findings(document)) {
    if (!lost.has(pathText(finding.path))) report.add(finding)
  }
  if (!isObject(document)) return { dag: null, dagId: null, idPosition, named: files.stamps, problems: report.problems }
  const dagId = typeof document.dag === 'string' && report.isGood(['dag']) ? document.dag : null
  checkDurations(document, report)
  checkDag(document, context.calendars, report)
  checkAlerts(document, context, report)
  checkTriggers(document, { ...context, file }, report)
  const tasks = isObject(document.tasks) ? (document.tasks as JsonObject) : {}
  const needs = checkNeeds(tasks, report)
  const facts = checkTasks(
    document,
    tasks,
    needs,
    {
      ...context,
      file,
      isOutside: (path) => isOutside(path, file, context),
      arrays: arraysOf(document.params),
      trigger: triggerNames(document.schedule as Json | undefined),
      read: (path) => files.read(path),
    },
    report,
  )
  if (report.isGood(['schedule'])) checkOwnWrites(document.schedule, facts, report)
  const problems = sortedProblems(report.problems).slice(0, LIMITS.problems)
  const dag = report.hasErrors()
    ? null
    : buildDag(file, { ...yaml, value: document }, facts, needs, files.texts, context.calendars ?? {})
  return { dag, dagId, idPosition, named: files.stamps, problems }
}

function checkAlerts(document: JsonObject, { webhooks }: CompileContext, report: Report): void {
  checkWebhooks(document, [], webhooks, report)
  checkWebhooks(document.defaults, ['defaults'], webhooks, report)
  if (!isObject(document.tasks)) return
  for (const [id, task] of Object.entries(document.tasks)) checkWebhooks(task, ['tasks', id], webhooks, report)
}

/**
 * Reports templates that are not there, queries that cannot run where they stand, and too much of what templates add.
 * @returns the paths of tasks that lack what their template would have given
 */
function checkComposed({ unknown, templates, misplaced, added }: Composed, report: Report): ReadonlySet<string> {
  for (const { task, template } of unknown) {
    const hint = didYouMean(template, templates) || 'define it below `templates:`, here or in `_defaults.yaml`'
    report.error(['tasks', task, 'use'], 'value', `there is no template \`${template.slice(0, 100)}\``, hint)
  }
  for (const { path, message, hint } of misplaced) report.error(path, 'value', message, hint)
  if (added > LIMITS.values) {
    report.error(['tasks'], 'key', `templates add more than ${LIMITS.values} values`, 'split the DAG')
  }
  return new Set(unknown.map(({ task }) => pathText(['tasks', task])))
}

function checkTasks(
  document: JsonObject,
  tasks: JsonObject,
  needs: ReadonlyMap<string, readonly string[]>,
  context: TaskContext,
  report: Report,
): Map<string, TaskFacts> {
  if (isObject(document.defaults)) checkPool(document.defaults.pool, ['defaults', 'pool'], context, report)
  const params = new Set(isObject(document.params) ? Object.keys(document.params) : [])
  const facts = new Map<string, TaskFacts>()
  for (const id of Object.keys(tasks)) {
    if (report.isFull()) break
    const fact = checkTask(id, tasks, needs, params, context, report)
    if (fact !== null) facts.set(id, fact)
  }
  return facts
}

/** As written and with symbolic links resolved: a DAGs folder may be a link, and a path may be right in either way. */
function isOutside(path: string, file: string, { project, dags, roots }: CompileContext): boolean {
  const [realProject = project, realDags = realProject] = roots
  const folder = dirname(join(dags, file))
  const realFolder = dirname(join(realDags, file))
  const inside = [project, dags].some((root) => beginsInside(path, folder, root))
  return !inside && ![realProject, realDags].some((root) => beginsInside(path, realFolder, root))
}

function arraysOf(params: unknown): Set<string> {
  const specs = isObject(params) ? Object.entries(params) : []
  return new Set(specs.flatMap(([name, spec]) => (isObject(spec) && spec.type === 'array' ? name : [])))
}

const DURATION_KEYS = ['retry_delay', 'max_delay', 'timeout', 'run_timeout']

/** The pattern in the schema lets `1m1h` and `1s1s` pass; a limit of nothing would stop every attempt at once. */
function checkDurations(document: JsonObject, report: Report): void {
  const check = (owner: unknown, path: string[]) => {
    if (!isObject(owner)) return
    for (const key of DURATION_KEYS) {
      const text = owner[key]
      if (typeof text !== 'string' || !report.isGood([...path, key])) continue
      const ms = parseDuration(text)
      if (ms === null) {
        const hint = 'write each unit once, the greatest first, at most 100 years: 1h30m'
        report.error([...path, key], 'value', `\`${key}\` is not a duration: ${text.slice(0, 50)}`, hint)
      } else if (ms === 0 && key.endsWith('timeout')) {
        report.error([...path, key], 'value', `\`${key}\` must be longer than nothing`, 'leave it out for no limit')
      }
    }
  }
  check(document, [])
  check(document.defaults, ['defaults'])
  if (isObject(document.tasks)) for (const [id, task] of Object.entries(document.tasks)) check(task, ['tasks', id])
}

/** The files one DAG names, each read once. */
class FilesOfDag {
  readonly texts: Record<string, string> = {}
  readonly stamps = new Map<string, string>()
  readonly #read = new Map<string, NamedFile>()
  readonly #path: string
  readonly #roots: readonly string[]
  #bytes = 0

  constructor(file: string, context: CompileContext) {
    this.#path = join(context.dags, file)
    this.#roots = context.roots
  }

  /** null when there is no such file; its coming is seen all the same */
  readIfThere(path: string): NamedFile | null {
    const stamp = fileStamp(join(dirname(this.#path), path))
    if (stamp !== 'absent') return this.read(path)
    this.stamps.set(path, stamp)
    return null
  }

  read(path: string): NamedFile {
    const known = this.#read.get(path)
    if (known !== undefined) return known
    // before reading, so that a change meanwhile shows the next time
    this.stamps.set(path, fileStamp(join(dirname(this.#path), path)))
    let file = readNamedFile(path, this.#path, this.#roots)
    if ('text' in file) {
      this.#bytes += file.text.length
      if (this.#bytes > LIMITS.namedFilesBytes) {
        const limit = LIMITS.namedFilesBytes / 1_000_000
        file = { message: `the files this DAG names have more than ${limit} MB together`, hint: 'split the DAG' }
      } else this.texts[path] = file.text
    }
    this.#read.set(path, file)
    return file
  }
}
