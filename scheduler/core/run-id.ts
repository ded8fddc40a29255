import type { Instant } from '../../json.js'

/** `sales-20261120T050000Z`: the run that the schedule makes for a due instant. */
export function scheduledRunId(dagId: string, dueAt: Instant): string {
  return `${dagId}-${stamp(dueAt).replace(/\d{3}Z$/, 'Z')}`
}

/** `sales-20261120T050000Z-backfill7`: the run that backfill 7 makes for a due instant. */
export function backfillRunId(dagId: string, dueAt: Instant, backfillId: number): string {
  return `${scheduledRunId(dagId, dueAt)}-backfill${backfillId}`
}

/** `sales-20261120T050000123Z-manual`: a run by hand, named after the instant of its trigger. */
export function manualRunId(dagId: string, triggeredAt: Instant): string {
  return `${dagId}-${stamp(triggeredAt)}-manual`
}

/** `sales-20261120T050000123Z-trigger41`: the run that event 41 has started. */
export function triggeredRunId(dagId: string, firedAt: Instant, eventId: number): string {
  return `${dagId}-${stamp(firedAt)}-trigger${eventId}`
}

/** `sales-20261120T050000123Z-webhook`: the run that a delivery to a webhook has started. */
export function webhookRunId(dagId: string, deliveredAt: Instant): string {
  return `${dagId}-${stamp(deliveredAt)}-webhook`
}

/** What kind of run has this id, for templates. */
export function kindOfRun(runId: string): 'schedule' | 'manual' | 'backfill' {
  if (isBackfillRun(runId)) return 'backfill'
  return runId.endsWith('-manual') ? 'manual' : 'schedule'
}

/** Whether a backfill has made this run. */
export function isBackfillRun(runId: string): boolean {
  return /-backfill\d+$/.test(runId)
}

/** The DAG a run id belongs to; ids of DAGs have no dash, so what stands before the first one is it. */
export function dagOfRun(runId: string): string {
  return runId.slice(0, runId.indexOf('-'))
}

/** `20261120T050000123Z` */
function stamp(instant: Instant): string {
  return new Date(instant).toISOString().replace(/[-:.]/g, '')
}
