import { isTemplate, parseCondition } from './condition.js'
import { didYouMean, listed } from './suggest.js'
import { HELPERS } from './template-helpers.js'
import { placesOf, type TemplateMode } from './template-place.js'
import { insideFault, lostFault } from './template-place-faults.js'
import {
  type Expression,
  type ExpressionPlace,
  parseTemplate,
  type TemplateFault,
  type TemplatePart,
} from './template-syntax.js'

/** The names that exist where a template stands. */
export interface KnownNames {
  params: ReadonlySet<string>
  /** all tasks of the DAG */
  tasks: { has(id: string): boolean; all(): Iterable<string> }
  /** of a task before this one, direct or not, the outputs it declares; null: none, so any is accepted; undefined: not before */
  upstream: { get(id: string): ReadonlySet<string> | null | undefined }
  /** true where `item` is one: in a task with `for_each` */
  item: boolean
  /** what may follow `trigger.`: that depends on what starts runs of the DAG */
  trigger: ReadonlySet<string>
  /** null: not known here, any is accepted */
  vars: ReadonlySet<string> | null
}

export interface TemplateReading {
  faults: TemplateFault[]
  /** ids of tasks whose outputs are used */
  outputsOf: string[]
}

/** Names that are always there; the values below them are texts and numbers. */
const FIXED: Record<string, readonly string[]> = {
  interval: ['start', 'end'],
  run: ['id', 'scheduled_at'],
  dag: ['id', 'version', 'owner'],
  task: ['id', 'attempt'],
}
const ROOTS = ['params', 'interval', 'run', 'dag', 'task', 'tasks', 'trigger', 'vars']

/** What Airflow's templates call what ours call otherwise. */
const AIRFLOW: Record<string, string> = {
  ds: '{{date interval.start}}',
  ts: '{{ interval.start }}',
  data_interval_start: '{{ interval.start }}',
  data_interval_end: '{{ interval.end }}',
  logical_date: '{{ interval.start }}',
  execution_date: '{{ interval.start }}',
  run_id: '{{ run.id }}',
  var: '{{ vars.name }}',
  ti: '{{ tasks.<id>.outputs.<name> }}',
  task_instance: '{{ tasks.<id>.outputs.<name> }}',
}

/** Checks a text without rendering it: syntax, every name, every helper, and that no template stands inside quotes. */
export function readTemplate(text: string, mode: TemplateMode, known: KnownNames): TemplateReading {
  if (mode === 'none') return { faults: verbatimFaults(text), outputsOf: [] }
  if (mode === 'condition' && !isTemplate(text)) return readCondition(text, known)
  const parsed = parseTemplate(text)
  if ('fault' in parsed) return { faults: [parsed.fault], outputsOf: [] }
  const faults: TemplateFault[] = [...placeFaults(parsed.parts, mode), ...aroundFaults(parsed.parts, mode)]
  const outputsOf = new Set<string>()
  for (const part of parsed.parts) {
    if (part.kind === 'text') continue
    const fault = (message: string, hint: string) => {
      faults.push({ line: part.line, column: part.column, message: `${part.source} ${message}`, hint })
    }
    checkExpression(part.expression, { known, mode, fault, outputsOf })
  }
  return { faults, outputsOf: [...outputsOf] }
}

function readCondition(text: string, known: KnownNames): TemplateReading {
  const parsed = parseCondition(text)
  if ('fault' in parsed) return { faults: [parsed.fault], outputsOf: [] }
  const faults: TemplateFault[] = []
  const outputsOf = new Set<string>()
  const fault = (message: string, hint: string, at?: ExpressionPlace) => {
    const { line, column, source } = at ?? { line: 1, column: 1, source: text }
    faults.push({ line, column, message: `\`${source}\` ${message}`, hint })
  }
  checkExpression(parsed.expression, { known, mode: 'condition', fault, outputsOf })
  return { faults, outputsOf: [...outputsOf] }
}

/** The older form of a condition is one template; text around it would make it true whatever its value. */
function aroundFaults(parts: readonly TemplatePart[], mode: TemplateMode): TemplateFault[] {
  const around = parts.length > 1 && parts.some((part) => part.kind === 'text' || part !== parts[0])
  const first = parts.find((part) => part.kind === 'expression')
  if (mode !== 'condition' || !around || first === undefined) return []
  const message = `${first.source} stands beside other text, which a condition cannot compare`
  return [{ ...at(first), message, hint: "take the braces away: params.mode == 'full'" }]
}

interface Checking {
  known: KnownNames
  mode: TemplateMode
  /** @param at where, in a condition */
  fault: (message: string, hint: string, at?: ExpressionPlace) => void
  outputsOf: Set<string>
}

function checkExpression(expression: Expression, checking: Checking): void {
  if (expression.kind === 'literal') return
  if (expression.kind === 'list') {
    for (const item of expression.items) checkExpression(item, checking)
    return
  }
  const fault = (message: string, hint: string) => checking.fault(message, hint, expression.at)
  if (expression.kind === 'name') {
    checkName(expression.parts, { ...checking, fault })
    return
  }
  const { helper, args } = expression
  const entry = Object.hasOwn(HELPERS, helper) ? HELPERS[helper] : undefined
  // what a condition has a sign or a word for is not called
  const names = checking.mode === 'condition' && expression.called ? CALLED : Object.keys(HELPERS)
  if (entry === undefined || !names.includes(helper)) {
    fault(`calls \`${helper}\`, which is no helper`, didYouMean(helper, names) || `there are ${listed(names, 'and')}`)
  } else if (args.length < entry.args[0] || args.length > entry.args[1]) {
    if (checking.mode !== 'condition' || CALLED.includes(helper))
      fault(`gives \`${helper}\` ${args.length} arguments`, `write ${entry.usage}`)
  } else if (helper === 'ident' && checking.mode !== 'sql') {
    fault('uses `ident`, which is for SQL', 'leave `ident` out')
  }
  for (const arg of args) checkExpression(arg, checking)
}

/** Helpers that a condition calls like functions: `date(interval.start)`. */
const CALLED = ['date', 'timestamp', 'default', 'json']

function checkName(parts: readonly string[], checking: Checking): void {
  const [root = '', second, third, fourth] = parts
  const { known, fault } = checking
  const unknown = (names: Iterable<string>, wrong: string) => {
    const all = [...names]
    const hint = didYouMean(wrong, all) || (all.length > 0 ? `there are ${listed(all, 'and')}` : 'there are none')
    fault(`names \`${parts.join('.')}\`, which does not exist`, hint)
  }
  if (root === 'params') {
    if (second === undefined || !known.params.has(second)) unknown(known.params, second ?? '')
  } else if (root === 'vars') {
    if (second === undefined || known.vars?.has(second) === false) unknown(known.vars ?? [], second ?? '')
  } else if (root === 'tasks') {
    checkOutput(second, third, fourth, parts, checking)
  } else if (Object.hasOwn(FIXED, root)) {
    const names = FIXED[root] ?? []
    if (second === undefined || parts.length > 2 || !names.includes(second)) unknown(names, second ?? '')
  } else if (root === 'item') {
    if (!known.item) fault('uses `item`, which only a task with `for_each` has', 'add `for_each`, or name the value')
  } else if (root === 'trigger') {
    if (second === undefined || parts.length > 2 || !known.trigger.has(second)) unknown(known.trigger, second ?? '')
  } else if (Object.hasOwn(AIRFLOW, root)) {
    fault(`names \`${root}\`, which does not exist`, `here it is ${AIRFLOW[root]}`)
  } else if (parts.length === 1 && known.params.has(root)) {
    fault(`names \`${root}\`, which does not exist`, `did you mean \`params.${root}\`?`)
  } else {
    const hint = didYouMean(root, ROOTS) || `names begin with ${listed(ROOTS)}`
    fault(`names \`${parts.join('.')}\`, which does not exist`, hint)
  }
}

function checkOutput(
  id: string | undefined,
  word: string | undefined,
  output: string | undefined,
  parts: readonly string[],
  { known, fault, outputsOf }: Checking,
): void {
  if (id === undefined || word !== 'outputs' || output === undefined) {
    fault(`names \`${parts.join('.')}\`, which does not exist`, 'write tasks.<id>.outputs.<name>')
    return
  }
  if (!known.tasks.has(id)) {
    fault(`names the task \`${id}\`, which does not exist`, didYouMean(id, known.tasks.all()))
    return
  }
  const declared = known.upstream.get(id)
  if (declared === undefined) {
    fault(`uses an output of \`${id}\`, which does not come before this task`, `add \`${id}\` to \`needs\``)
    return
  }
  outputsOf.add(id)
  if (declared !== null && !declared.has(output)) {
    const hint = didYouMean(output, declared) || `it declares ${listed([...declared], 'and')}`
    fault(`names the output \`${output}\`, which task \`${id}\` does not declare`, hint)
  }
}

/** A text that is taken as it is must not look as if it were not. */
function verbatimFaults(text: string): TemplateFault[] {
  const match = /\{\{\s*(params|interval|run|dag|task|tasks|vars)\./.exec(text)
  if (match === null) return []
  const before = text.slice(0, match.index).split('\n')
  const column = (before.at(-1) ?? '').length + 1
  return [{ line: before.length, column, message: 'no templates are rendered here', hint: 'write the value out' }]
}

/** Where values may not stand, because what they are written as would mean something else there. */
function placeFaults(parts: readonly TemplatePart[], mode: TemplateMode): TemplateFault[] {
  const faults: TemplateFault[] = []
  const places = placesOf(parts, mode)
  for (const [index, part] of parts.entries()) {
    const place = places[index]
    if (part.kind === 'text' || !place) continue
    if (place.inside !== null) faults.push({ ...at(part), ...insideFault(part.source, place.inside, mode) })
    else if (place.lost !== null) faults.push({ ...at(part), ...lostFault(part.source, place.lost, mode) })
    else if (touches(parts[index - 1], parts[index + 1], mode)) {
      const message = `${part.source} touches the text beside it, which would change what its quotes mean`
      faults.push({
        ...at(part),
        message,
        hint: mode === 'sql' ? 'put a space on both sides' : 'put a space or a quoted text there',
      })
    }
  }
  return faults
}

function at(part: { line: number; column: number }): { line: number; column: number } {
  return { line: part.line, column: part.column }
}

/** Quotes next to a letter, a quote, a dollar or a backslash would be read together with it. */
function touches(before: TemplatePart | undefined, after: TemplatePart | undefined, mode: TemplateMode): boolean {
  if (mode === 'text') return false
  const left = before === undefined ? '' : before.kind === 'text' ? (before.text.at(-1) ?? '') : '"'
  const right = after === undefined || after.kind !== 'text' ? '' : (after.text[0] ?? '')
  if (mode === 'shell') return left === '$' || left === '\\'
  return /[\p{L}\p{N}_$'"&\\]/u.test(left) || /[\p{L}\p{N}_$'"]/u.test(right)
}
