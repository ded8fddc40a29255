import { dirname, posix } from 'node:path'
import { isObject, type Json, type JsonObject } from '../../json.js'
import { CHECKS_SCHEMA } from '../../lakehouse/checks/spec.js'
import type { Operator } from '../../operators/operator.js'
import { checkForEach } from './for-each.js'
import { findCycle, type Needs, upstreamOf } from './graph.js'
import type { NamedFile } from './named-files.js'
import type { Report } from './report.js'
import { didYouMean, listed } from './suggest.js'
import { type KnownNames, readTemplate } from './template-check.js'
import type { TemplateMode } from './template-place.js'
import { mapTexts, type Slot, slotsOf } from './template-slots.js'
import type { Path } from './tree.js'

/** What the tasks of one DAG are checked against. */
export interface TaskContext {
  operators: ReadonlyMap<string, Operator>
  /** path of the DAG file below the DAGs folder */
  file: string
  /** true of a path or glob in the file that begins outside the project */
  isOutside(path: string): boolean
  read(path: string): NamedFile
  /** names of the parameters that are lists */
  arrays: ReadonlySet<string>
  /** what may follow `trigger.` in templates */
  trigger: ReadonlySet<string>
  vars: ReadonlySet<string> | null
  pools: ReadonlySet<string> | null
  catalogs: ReadonlySet<string> | null
}

/** What the checks found out on their way and the DAG is built from. */
export interface TaskFacts {
  operator: Operator
  config: JsonObject
  outputsOf: string[]
  files: string[]
}

/** Tasks that name the same `group`. */
class Groups {
  readonly #members = new Map<string, string[]>()
  readonly #tasks: JsonObject

  constructor(tasks: JsonObject, report: Report) {
    this.#tasks = tasks
    for (const [id, task] of Object.entries(tasks)) {
      if (!isObject(task) || typeof task.group !== 'string') continue
      const members = this.#members.get(task.group)
      if (members === undefined) this.#members.set(task.group, [id])
      else members.push(id)
      if (!Object.hasOwn(tasks, task.group)) continue
      const message = `\`${task.group}\` is a task; a group needs a name of its own`
      report.error(['tasks', id, 'group'], 'value', message, 'rename the group')
    }
  }

  has(name: string): boolean {
    return this.#members.has(name)
  }

  names(): string[] {
    return [...this.#members.keys()]
  }

  of(id: string): string | null {
    const task = this.#tasks[id]
    return isObject(task) && typeof task.group === 'string' ? task.group : null
  }

  /** its tasks that no other of them needs: once they have ended, so has the group */
  leaves(name: string): string[] {
    const members = this.#members.get(name) ?? []
    const needed = new Set(
      members.flatMap((id) => {
        const task = this.#tasks[id]
        return isObject(task) && Array.isArray(task.needs) ? task.needs : []
      }),
    )
    return members.filter((id) => !needed.has(id))
  }
}

/** The needs of every task as far as they are good, reporting those that are not, and the first cycle. */
export function checkNeeds(tasks: JsonObject, report: Report): Needs {
  const ids = Object.keys(tasks)
  const needs = new Map<string, string[]>()
  const groups = new Groups(tasks, report)
  for (const id of ids) {
    const task = tasks[id]
    const listed = isObject(task) && Array.isArray(task.needs) ? task.needs : []
    const good: string[] = []
    for (const [index, upstream] of listed.entries()) {
      if (typeof upstream !== 'string' || report.isFull()) continue
      const path = ['tasks', id, 'needs', index]
      if (upstream === id) report.error(path, 'value', `task \`${id}\` needs itself`, 'remove it')
      else if (Object.hasOwn(tasks, upstream)) good.push(upstream)
      else if (groups.of(id) === upstream) {
        report.error(path, 'value', `task \`${id}\` belongs to the group \`${upstream}\` itself`, 'name tasks of it')
      } else if (groups.has(upstream)) good.push(...groups.leaves(upstream))
      else {
        report.error(
          path,
          'value',
          `there is no task \`${upstream.slice(0, 100)}\``,
          taskHint(upstream, [...ids, ...groups.names()], id),
        )
      }
    }
    needs.set(id, [...new Set(good)])
  }
  const cycle = findCycle(needs)
  if (cycle !== null) {
    const [first = '', second = ''] = cycle
    const index = needs.get(first)?.indexOf(second) ?? 0
    const message = `the tasks need each other in a circle: ${shortCycle(cycle).join(' -> ')}`
    report.error(['tasks', first, 'needs', index], 'value', message, 'remove one of these needs')
  }
  return needs
}

/** Everything about one task that the schema cannot say; null when its operator is not clear. */
export function checkTask(
  id: string,
  tasks: JsonObject,
  needs: Needs,
  params: ReadonlySet<string>,
  context: TaskContext,
  report: Report,
): TaskFacts | null {
  const task = tasks[id]
  if (!isObject(task)) return null
  const path = ['tasks', id]
  const types = [...context.operators.keys()].filter((type) => Object.hasOwn(task, type))
  const operator = types.length === 1 ? context.operators.get(types[0] ?? '') : undefined
  checkPool(task.pool, [...path, 'pool'], context, report)
  if (operator === undefined) return null
  if (Object.hasOwn(task, 'checks') && !operator.writesTable) {
    const writing = [...context.operators.values()].filter(({ writesTable }) => writesTable).map(({ type }) => type)
    const hint = `checks guard what a task writes (${listed(writing)}); a table that is there already is checked by \`quality_check\``
    report.error(
      [...path, 'checks'],
      'key',
      `\`${operator.type}\` writes no table, so \`checks\` have nothing to check`,
      hint,
    )
  }
  if (task.skip_if_done === true && operator.reusable === false) {
    const message = `\`${operator.type}\` looks at the outside or acts on it, so an earlier result says nothing`
    report.error(
      [...path, 'skip_if_done'],
      'key',
      message,
      'remove `skip_if_done` here; tasks after this one may have it',
    )
  }
  // what breaks the schema is reported; what templates mean in it cannot be known
  if (!report.isGood([...path, operator.type])) return null
  const config = longForm(operator, task[operator.type] as Json)
  for (const { path: keys, message, hint } of operator.problems?.(config, context.isOutside) ?? []) {
    const at = isObject(task[operator.type]) ? keys : []
    report.error([...path, operator.type, ...at], 'value', message, hint)
  }
  if (operator.type === 'branch') checkBranch(id, task[operator.type] as Json, needs, report)
  const known = knownNames(id, tasks, needs, params, context)
  const reading = new TaskReading(id, operator, task[operator.type] as Json, known, context, report)
  reading.config(config)
  if (report.isGood([...path, 'checks'])) reading.checks(task.checks as Json | undefined)
  if (task.for_each !== undefined && report.isGood([...path, 'for_each'])) {
    checkForEach(task.for_each as Json, [...path, 'for_each'], { ...known, item: false }, context.arrays, report)
  }
  if (typeof task.when === 'string') reading.text([...path, 'when'], task.when, 'condition')
  if (isObject(task.env)) {
    for (const [name, value] of Object.entries(task.env)) {
      if (typeof value === 'string') reading.text([...path, 'env', name], value, 'text')
    }
  }
  return { operator, config, outputsOf: [...reading.outputsOf], files: [...reading.files] }
}

/** What a branch follows must hang on it, or following would change nothing. */
function checkBranch(id: string, written: Json, needs: Needs, report: Report): void {
  const choices = isObject(written) ? written.choices : written
  const base = ['tasks', id, 'branch', ...(isObject(written) ? ['choices'] : [])]
  const after = [...needs].flatMap(([other, upstream]) => (upstream.includes(id) ? other : []))
  for (const [place, choice] of (Array.isArray(choices) ? choices : []).entries()) {
    const to = isObject(choice) && Array.isArray(choice.to) ? choice.to : []
    for (const [index, followed] of to.entries()) {
      if (typeof followed !== 'string' || after.includes(followed)) continue
      const path = [...base, place, 'to', index]
      if (!needs.has(followed)) {
        report.error(path, 'value', `there is no task \`${followed.slice(0, 100)}\``, didYouMean(followed, after))
      } else {
        const message = `task \`${followed}\` does not need \`${id}\`, so the branch cannot follow it`
        report.error(path, 'value', message, `add \`${id}\` to the \`needs\` of \`${followed}\``)
      }
    }
  }
}

/** Reports a pool that `sluice.yaml` does not define. Where its pools are not known, any name passes. */
export function checkPool(pool: unknown, path: Path, context: TaskContext, report: Report): void {
  if (typeof pool !== 'string' || context.pools === null || context.pools.has(pool)) return
  const hint = didYouMean(pool, context.pools) || `define it in sluice.yaml: pools: { ${pool}: 4 }`
  report.error(path, 'value', `there is no pool \`${pool}\`; there are ${listed([...context.pools], 'and')}`, hint)
}

/** Reports a table in a catalog that `sluice.yaml` does not define. Where its catalogs are not known, any name passes. */
export function checkCatalog(
  table: string,
  path: Path,
  { catalogs }: Pick<TaskContext, 'catalogs'>,
  report: Report,
): void {
  const [catalog = '', , name] = table.split('.')
  if (catalogs === null || name === undefined || table.includes('{{') || catalogs.has(catalog)) return
  const hint = didYouMean(catalog, catalogs) || 'define it in sluice.yaml below `catalogs`'
  report.error(path, 'value', `there is no catalog \`${catalog}\`; there are ${listed([...catalogs], 'and')}`, hint)
}

/** Reads the templates, files and tables of one task. */
class TaskReading {
  readonly outputsOf = new Set<string>()
  readonly files = new Set<string>()

  constructor(
    readonly id: string,
    readonly operator: Operator,
    /** the configuration as written, long or short */
    readonly asWritten: Json,
    readonly known: KnownNames,
    readonly context: TaskContext,
    readonly report: Report,
  ) {}

  config(config: JsonObject): void {
    for (const slot of slotsOf(this.operator, config)) {
      const path = this.#pathOf(slot)
      if (slot.table) checkCatalog(slot.text, path, this.context, this.report)
      if (slot.file === null) this.text(path, slot.text, slot.mode)
      else this.#file(path, slot.text, slot.file)
    }
  }

  checks(written: Json | undefined): void {
    if (!Array.isArray(written)) return
    mapTexts(written, CHECKS_SCHEMA, (slot) => {
      const path = ['tasks', this.id, 'checks', ...slot.path]
      if (slot.table) checkCatalog(slot.text, path, this.context, this.report)
      this.text(path, slot.text, slot.mode)
      return slot.text
    })
  }

  text(path: Path, text: string, mode: TemplateMode): void {
    if (!text.includes('{{') && mode !== 'condition') return
    const reading = readTemplate(text, mode, this.known)
    for (const fault of reading.faults) this.report.inText(path, fault, fault.message, fault.hint)
    for (const one of reading.outputsOf) this.outputsOf.add(one)
  }

  #file(path: Path, name: string, mode: TemplateMode): void {
    if (name.includes('{{')) {
      this.report.error(
        path,
        'value',
        'the name of a file holds no template',
        'its content belongs to the version of the DAG',
      )
      return
    }
    this.files.add(name)
    const file = this.context.read(name)
    if ('message' in file) {
      this.report.error(path, 'value', file.message, file.hint)
      return
    }
    if (!file.text.includes('{{')) return
    const reading = readTemplate(file.text, mode, this.known)
    const place = posix.join(dirname(this.context.file).replaceAll('\\', '/'), name)
    for (const fault of reading.faults) this.report.inFile(place, fault, path, fault.message, fault.hint)
    for (const one of reading.outputsOf) this.outputsOf.add(one)
  }

  /** The short form stands directly below the operator's key. */
  #pathOf(slot: Slot): Path {
    const base = ['tasks', this.id, this.operator.type]
    return isObject(this.asWritten) ? [...base, ...slot.path] : base
  }
}

/** The configuration in its long form, whichever the file uses. */
export function longForm(operator: Operator, written: Json): JsonObject {
  if (isObject(written)) return written as JsonObject
  if (operator.longForm === undefined) throw new Error(`operator ${operator.type} has a short form but no longForm()`)
  return operator.longForm(written)
}

function knownNames(
  id: string,
  tasks: JsonObject,
  needs: Needs,
  params: ReadonlySet<string>,
  context: TaskContext,
): KnownNames {
  // the way up is walked only for templates that ask
  let upstream: Set<string> | null = null
  const task = tasks[id]
  return {
    params,
    item: isObject(task) && task.for_each !== undefined,
    trigger: context.trigger,
    vars: context.vars,
    tasks: { has: (other) => Object.hasOwn(tasks, other), all: () => Object.keys(tasks) },
    upstream: {
      get(other) {
        upstream ??= upstreamOf(needs, id)
        if (!upstream.has(other)) return undefined
        const task = tasks[other]
        return isObject(task) && isObject(task.outputs) ? new Set(Object.keys(task.outputs)) : null
      },
    },
  }
}

function taskHint(wrong: string, ids: readonly string[], self: string): string {
  const others = ids.filter((id) => id !== self)
  return didYouMean(wrong, others) || (others.length > 0 ? `there are ${listed(others, 'and')}` : '')
}

/** A long circle is told by its ends. */
function shortCycle(cycle: readonly string[]): string[] {
  if (cycle.length <= 12) return [...cycle]
  return [...cycle.slice(0, 6), `… ${cycle.length - 11} more …`, ...cycle.slice(-5)]
}
