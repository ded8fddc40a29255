import type { Instant } from '../../json.js'
import type { Run } from '../../scheduler/core/model.js'
import type { Sla } from '../../scheduler/dag/model.js'
import type { LateSla, RunSla, SlaRecord } from '../../scheduler/store/reads/slas.js'
import { duration } from './duration.js'
import { links } from './links.js'
import { count } from './numbers.js'
import { richText } from './rich-text.js'
import { timeTwice, zoneName } from './time.js'

/** One row of what is late or will be. */
export function lateView(late: LateSla, now: Instant) {
  const { dagId, runId, taskId, deadlineAt } = late
  const timezone = late.timezone ?? 'UTC'
  const missed = late.missedAt !== null
  return {
    state: missed ? 'missed' : 'risk',
    glyph: missed ? 'missed' : 'warn',
    href: taskId === '' ? links.run(runId) : links.task(runId, taskId),
    dagId,
    taskId,
    deadline: deadlineAt === null ? null : timeTwice(deadlineAt, timezone, now),
    predicted: predictedView(late, timezone, now),
    becauseOf: late.becauseOf === taskId ? '' : (late.becauseOf ?? ''),
    reason: richText(late.reason === '' ? late.state : late.reason),
  }
}

/** When it will be done most likely; how late it is by now when nobody can tell, or when that has passed. */
function predictedView({ p50At, p90At, deadlineAt }: RunSla, timezone: string, now: Instant) {
  if (deadlineAt === null) return { at: '', note: '' }
  if (p50At === null || p90At === null || p50At <= now) {
    return { at: '', note: deadlineAt <= now ? `${duration(now - deadlineAt)} late so far` : '' }
  }
  const worst = p90At > deadlineAt ? `, p90 ${duration(p90At - deadlineAt)} late` : ''
  const note = p50At > deadlineAt ? `${duration(p50At - deadlineAt)} late${worst}` : `in time${worst}`
  return { at: timeTwice(p50At, timezone, now).local, note }
}

/**
 * The deadline of a run that says most: the first that was missed, then the first at risk, then the next one.
 * Null for a run without any.
 */
export function runSlaView(run: Run, slas: readonly RunSla[], timezone: string, now: Instant) {
  const known = slas.filter(({ deadlineAt }) => deadlineAt !== null)
  const shown = known.find(isMissed) ?? known.find(({ atRiskAt }) => atRiskAt !== null) ?? known[0] ?? slas[0]
  if (shown === undefined) return null
  const { deadlineAt, taskId, sla } = shown
  const deadline = deadlineAt === null ? null : timeTwice(deadlineAt, timezone, now)
  return {
    label: `SLA ${sla}${taskId === '' ? '' : ` of ${taskId}`}`,
    deadline: deadline === null ? 'counts from the start' : [deadline.local, deadline.utc].filter(Boolean).join(' · '),
    ...verdict(run, shown, now),
    more: slas.length > 1 ? `and ${slas.length - 1} more` : '',
  }
}

const isMissed = ({ missedAt }: RunSla): boolean => missedAt !== null

function verdict(run: Run, { deadlineAt, missedAt, recoveredAt, atRiskAt, p50At, taskId }: RunSla, now: Instant) {
  const looks = (state: string, glyph: string, big: string) => ({ state, glyph, big })
  if (deadlineAt === null) return looks('none', '', '')
  if (recoveredAt !== null) return looks('missed', 'missed', `${duration(recoveredAt - deadlineAt)} late`)
  if (missedAt !== null)
    return looks('missed', 'missed', run.endedAt === null ? `${duration(now - deadlineAt)} over` : 'missed')
  if (run.endedAt !== null && taskId === '' && run.state === 'success' && run.endedAt <= deadlineAt) {
    return looks('success', 'success', `${duration(deadlineAt - run.endedAt)} early`)
  }
  const left = `${duration(deadlineAt - now)} left`
  if (atRiskAt === null) return looks('none', '', deadlineAt > now && run.endedAt === null ? left : '')
  const over = p50At !== null && p50At > deadlineAt ? `${duration(p50At - deadlineAt)} over` : 'at risk'
  return looks('risk', 'warn', run.endedAt === null ? over : 'was at risk')
}

/** What the pages of a DAG say of its deadlines; '' for none. */
export function dagSlaWords(slas: readonly Sla[], timezone: string): string {
  const words = slas.map(({ name, rule }) => (rule.kind === 'by' ? `${name} ${zoneName(timezone)}` : name))
  return words.join(', ')
}

/** How many runs kept their deadlines; '' when none was judged. The 30 days are those the record was read for. */
export function recordWords({ judged, met, cut }: SlaRecord): string {
  if (judged === 0) return ''
  return cut ? `met ${count(met)} of the last ${count(judged)}` : `met ${count(met)} of ${count(judged)} in 30 days`
}
