import type { Instant } from '../../json.js'
import type { AlertKind } from '../core/alert.js'
import type { TaskState } from '../core/model.js'
import { isFinal } from '../core/states.js'
import type { Alert } from '../store/alert-store.js'
import type { Dependent } from '../store/store.js'
import type { AlertFacts } from './facts.js'
import { sentLate, toldLate, toldLateMs } from './lateness.js'
import type { AlertContent } from './message.js'
import { instantOf, isWithinMinute, longTime, spelledDuration, type TimeStyle, timeOfDay } from './times.js'

interface KindWords {
  severity: AlertContent['severity']
  title: string
  /** what several are called in a digest: `3 failed runs` */
  one: string
  many: string
}

/** How alerts of each kind are called. */
export const KIND_WORDS: Record<AlertKind, KindWords> = {
  sla_missed: { severity: 'bad', title: 'SLA missed', one: 'missed SLA', many: 'missed SLAs' },
  sla_at_risk: { severity: 'risk', title: 'SLA at risk', one: 'SLA at risk', many: 'SLAs at risk' },
  sla_recovered: { severity: 'good', title: 'Late but done', one: 'recovered SLA', many: 'recovered SLAs' },
  task_failed: { severity: 'bad', title: 'Failed', one: 'failed task', many: 'failed tasks' },
  task_retry: { severity: 'risk', title: 'Retry', one: 'retry', many: 'retries' },
  task_recovered: { severity: 'good', title: 'Recovered', one: 'recovered task', many: 'recovered tasks' },
  run_failed: { severity: 'bad', title: 'Failed', one: 'failed run', many: 'failed runs' },
  run_recovered: { severity: 'good', title: 'Recovered', one: 'recovered run', many: 'recovered runs' },
  checks_failed: {
    severity: 'risk',
    title: 'Checks failed',
    one: 'task with failed checks',
    many: 'tasks with failed checks',
  },
  file_broken: { severity: 'bad', title: 'DAG file error', one: 'broken DAG file', many: 'broken DAG files' },
  file_mended: { severity: 'good', title: 'DAG file mended', one: 'recovered DAG file', many: 'recovered DAG files' },
  worker_gone: { severity: 'bad', title: 'No heartbeat', one: 'silent worker', many: 'silent workers' },
  test: { severity: 'good', title: 'Test', one: 'test', many: 'tests' },
}

/** What a message about one alert says. */
export function contentOf(alert: Alert, facts: AlertFacts): AlertContent {
  const { severity, title } = KIND_WORDS[alert.kind]
  const style = styleOf(alert, facts)
  return {
    severity,
    title,
    dagId: alert.dagId ?? alert.subject,
    taskId: alert.taskId,
    summary: summaryOf(alert, facts, style),
    detail: textOf(alert.payload.reason),
    facts: factsOf(alert, facts, style),
    links: linksOf(alert, facts),
    log: severity === 'good' ? [] : facts.log,
    blocked: severity === 'good' ? [] : facts.blocked,
    behind: severity === 'good' ? [] : behindOf(facts),
    footer: footerOf(alert, facts, style),
  }
}

/** Seconds count for all times of an alert when what it is about is due between two minutes. */
function styleOf({ payload }: Alert, { run, dag }: AlertFacts): TimeStyle {
  const { deadline, retry_at: retryAt, since } = payload
  const planned = [run?.dueAt ?? null, instantOf(deadline), instantOf(retryAt), instantOf(since)]
  return {
    timezone: dag?.schedule?.timezone ?? 'UTC',
    seconds: planned.some((instant) => instant !== null && isWithinMinute(instant)),
  }
}

/** What stands behind the name, in the subject too. */
function summaryOf(alert: Alert, { run, now }: AlertFacts, style: TimeStyle): string {
  const { kind, payload, raisedAt } = alert
  const due = run === null ? '' : `, run due ${timeOfDay(run.dueAt, style, raisedAt)}`
  const deadline = instantOf(payload.deadline)
  const by = deadline === null ? '' : ` by ${timeOfDay(deadline, style, raisedAt)}`
  switch (kind) {
    case 'sla_missed':
      return `was due${by}${toldLateMs(alert) === 0 ? '' : `, told ${spelledDuration(toldLateMs(alert))} late`}`
    case 'sla_at_risk':
      // a mail server that was down, and nobody is to run for a deadline that is over
      if (deadline !== null && deadline <= now) return `was to be warned of before its deadline: due${by}`
      return `${payload.early_warning === 'p50' ? 'will probably' : 'may'} miss its deadline: due${by}`
    case 'sla_recovered':
      return `recovered: done after it was due${by}`
    case 'task_failed':
    case 'run_failed':
      return `failed${due}`
    case 'task_retry': {
      const at = instantOf(payload.retry_at)
      return at === null
        ? 'failed and is tried again'
        : `failed and is tried again at ${timeOfDay(at, style, raisedAt)}`
    }
    case 'task_recovered':
    case 'run_recovered':
      return `recovered${due}`
    case 'checks_failed':
      return `has failed checks${due}`
    case 'file_broken':
      return 'cannot be used; if it was good before, that version goes on'
    case 'file_mended':
      return 'recovered: it can be used again'
    case 'worker_gone':
      return 'was not heard of for too long'
    case 'test':
      return 'reached you'
  }
}

function factsOf(alert: Alert, facts: AlertFacts, style: TimeStyle): [string, string][] {
  const { kind, payload, taskId } = alert
  const { run, task, failedChecks, now } = facts
  const deadline = instantOf(payload.deadline)
  const expected = facts.expected?.p50 ?? instantOf(payload.p50)
  const latest = facts.expected?.p90 ?? instantOf(payload.p90)
  const subject = taskId === null ? run : (task ?? run)
  const keeps = taskId === null && kind.startsWith('sla_') ? task : null
  const since = instantOf(payload.since)
  return [
    ...fact('Due by', deadline === null ? '' : longTime(deadline, style)),
    ...fact('Told late', toldLate(alert, facts, style)),
    ...fact('Sent late', sentLate(alert, facts)),
    ...fact('Run due', run === null ? '' : longTime(run.dueAt, style)),
    ...fact('State', subject === null ? '' : stateText(subject, style, now)),
    ...fact('Late by', kind === 'sla_recovered' ? lateBy(deadline, subject?.endedAt ?? null) : ''),
    ...fact('Predicted', predicted(expected, latest, deadline, style, now)),
    ...fact('Warned as', kind === 'sla_at_risk' ? shareText(payload.early_warning) : ''),
    ...fact('Because of', keeps === null ? '' : `${keeps.taskId}, ${stateText(keeps, style, now)}`),
    ...fact(
      'Because of',
      kind === 'run_failed' && task !== null && task.reason !== '' ? `${task.taskId}: ${task.reason}` : '',
    ),
    ...fact('Tasks', progress(facts)),
    ...fact('Attempt', typeof payload.attempt === 'number' ? attemptText(payload.attempt, taskId, facts) : ''),
    ...fact('Failed', listOf(payload.failed)),
    ...failedChecks.slice(0, 10).map((check): [string, string] => ['Check', `${check.name}: ${check.message}`]),
    ...(failedChecks.length === 0 ? fact('Checks', listOf(payload.checks)) : []),
    ...problemFacts(payload.problems),
    ...fact('Last heard of', since === null ? '' : longTime(since, style)),
    ...fact('Held', typeof payload.claims === 'number' ? heldText(payload.claims) : ''),
    ...fact('Triggered by', run === null || run.kind === 'scheduled' ? '' : run.triggeredBy),
  ]
}

function heldText(claims: number): string {
  if (claims === 0) return 'no running task'
  return `${claims} running ${claims === 1 ? 'task' : 'tasks'}; what has tries left is tried again`
}

function stateText(
  {
    state,
    startedAt,
    endedAt,
    reason,
  }: { state: string; startedAt: Instant | null; endedAt: Instant | null; reason: string },
  style: TimeStyle,
  now: Instant,
): string {
  if (endedAt !== null && startedAt !== null) {
    return `${state} at ${timeOfDay(endedAt, style, now)}, after ${spelledDuration(endedAt - startedAt)}`
  }
  if (state === 'running' && startedAt !== null) {
    return `running since ${timeOfDay(startedAt, style, now)}, ${spelledDuration(now - startedAt)} so far`
  }
  return reason === '' ? state : `${state}: ${reason}`
}

/** `9 of 14 done, 1 running, 4 waiting`; items of a `for_each` are their task's own matter */
function progress({ run, dag, tasks }: AlertFacts): string {
  const declared = new Set(dag?.tasks.map(({ id }) => id))
  const states = tasks.filter(({ taskId }) => declared.has(taskId)).map(({ state }) => state)
  if (run === null || states.length < 2) return ''
  const of = (...wanted: TaskState[]) => states.filter((state) => wanted.includes(state)).length
  const counts = [
    [of('failed'), 'failed'],
    [of('upstream_failed', 'cancelled'), 'not run'],
    [of('running'), 'running'],
    [states.filter((state) => !isFinal(state) && state !== 'running').length, 'waiting'],
  ] as const
  const others = counts.filter(([found]) => found > 0).map(([found, words]) => `, ${found} ${words}`)
  return `${of('success', 'skipped')} of ${states.length} done${others.join('')}`
}

const lateBy = (deadline: Instant | null, endedAt: Instant | null): string =>
  deadline === null || endedAt === null || endedAt <= deadline ? '' : spelledDuration(endedAt - deadline)

function predicted(
  expected: Instant | null,
  latest: Instant | null,
  deadline: Instant | null,
  style: TimeStyle,
  now: Instant,
): string {
  // longer than ever: it may end at any moment, or not
  if (expected === null || expected <= now) return ''
  const late = deadline === null || expected <= deadline ? '' : `, ${spelledDuration(expected - deadline)} late`
  return `${timeOfDay(expected, style, now)}${late}${latest === null ? '' : `; p90 ${timeOfDay(latest, style, now)}`}`
}

/** `p90`: what the quantile means, as runs */
function shareText(earlyWarning: unknown): string {
  const share = typeof earlyWarning === 'string' ? Number(earlyWarning.slice(1)) : Number.NaN
  return Number.isNaN(share) ? '' : `${100 - share} in 100 runs like it would be late (${earlyWarning})`
}

function attemptText(attempt: number, taskId: string | null, { dag }: AlertFacts): string {
  const retries = dag?.tasks.find(({ id }) => id === taskId)?.retries ?? 0
  return retries === 0 ? String(attempt) : `${attempt}, with ${retries} ${retries === 1 ? 'retry' : 'retries'} allowed`
}

function problemFacts(problems: unknown): [string, string][] {
  if (!Array.isArray(problems)) return []
  return problems.slice(0, 10).map((problem): [string, string] => ['Problem', String(problem)])
}

function linksOf({ kind, dagId, runId, taskId }: Alert, { task }: AlertFacts): AlertContent['links'] {
  const all = { label: 'All alerts', path: '/alerts' }
  if (kind === 'worker_gone') return [{ label: 'Workers', path: '/workers' }, all]
  if (runId !== null) {
    const run = { label: 'Open the run', path: `/runs/${encodeURIComponent(runId)}` }
    const shown = taskId ?? task?.taskId ?? null
    if (shown === null) return [run, all]
    return [{ label: 'Open the task', path: `${run.path}/tasks/${encodeURIComponent(shown)}` }, run, all]
  }
  return dagId === null ? [all] : [{ label: 'Open the DAG', path: `/dags/${encodeURIComponent(dagId)}` }, all]
}

const ASKED_BY: Record<AlertKind, string> = {
  sla_missed: '`sla`',
  sla_at_risk: '`sla`',
  sla_recovered: '`sla`',
  task_failed: '`on_failure` of the task',
  task_retry: '`on_retry`',
  task_recovered: '`on_recovery` or `on_failure` of the task',
  run_failed: '`on_failure` of the DAG or `alerts` in sluice.yaml',
  run_recovered: '`on_recovery` or `on_failure` of the DAG, or `alerts` in sluice.yaml',
  checks_failed: '`on_failed_checks`',
  file_broken: '`alerts` in sluice.yaml',
  file_mended: '`alerts` in sluice.yaml',
  worker_gone: '`alerts` in sluice.yaml',
  test: 'a test that somebody asked for',
}

/** What else may be told of the same. */
const FOLLOWED_BY: Partial<Record<AlertKind, string>> = {
  sla_at_risk: 'If it misses the deadline, that is told once too.',
  sla_missed: 'When it is done after all, that is told once too.',
}

function footerOf(alert: Alert, { dag, now }: AlertFacts, style: TimeStyle): string {
  const file = dag === null ? '' : ` (${dag.file})`
  const more = FOLLOWED_BY[alert.kind] ?? 'This is the only message about it.'
  return `Raised at ${timeOfDay(alert.raisedAt, style, now)} because of ${ASKED_BY[alert.kind]}${file}. ${more}`
}

/** `report (its success starts it)`; how many more there are stands at the end */
function behindOf({ behind: { dependents, total } }: AlertFacts): string[] {
  const named = dependents.map(({ dagId, how, table }) => `${dagId} (${DEPENDENCY_WORDS[how](table)})`)
  return total <= named.length ? named : [...named, `and ${total - named.length} more`]
}

const DEPENDENCY_WORDS: Record<Dependent['how'], (table: string) => string> = {
  waits: (table) => `waits for ${table === '' ? 'its run' : table}`,
  dag_trigger: () => 'started by its success',
  table_trigger: (table) => `started by ${table}`,
  reads: (table) => `reads ${table}`,
}

const fact = (name: string, value: string): [string, string][] => (value === '' ? [] : [[name, value]])

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const listOf = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(', ') : '')
