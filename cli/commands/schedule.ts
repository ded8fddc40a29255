import type { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Dag } from '../../scheduler/dag/model.js'
import { triggerWords } from '../../scheduler/dag/trigger-words.js'
import { checkDags } from '../dag-files.js'
import { type DueRun, dueRuns, nextRuns } from '../due-runs.js'
import { instantOption } from '../instants.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { printTable } from '../output/table.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'
import { projectConfig } from '../project.js'

interface ScheduleOptions extends CommonOptions, JsonOption {
  from?: Instant
  to?: Instant
  next: number
}

/** More than two months of a DAG that runs every minute; beyond it the range is a mistake. */
const TICKS_LIMIT = 100_000
const COLUMNS = [{ title: 'DAG' }, { title: 'DUE' }, { title: 'LOCAL TIME' }, { title: 'INTERVAL' }] as const

/** `sluice schedule`: when DAGs are due by their files as they are now, whether or not a Sluice runs. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<dags...>', 'ids of DAGs')
    .option('--from <instant>', 'ISO 8601 date or instant, itself included (default: now)', instantOption)
    .option('--to <instant>', 'ISO 8601 date or instant, itself excluded', instantOption)
    .option('--next <n>', 'without --to: so many runs of each DAG', wholeNumber(1), 10)
    .action(schedule)
}

async function schedule(dagIds: string[], options: ScheduleOptions): Promise<void> {
  const { dags } = await checkDags(projectConfig(options.project), [])
  const chosen = dagIds.map((id) => dagOf(dags, id))
  const { from = Date.now(), to } = options
  const due = chosen.map((dag) =>
    to === undefined ? nextRuns(dag, from, options.next) : dueRuns(dag, { from, to }, TICKS_LIMIT),
  )
  const out = terminal()
  if (options.json === true) return printJson(due.flat(), out)
  const rows = chosen.flatMap((dag, index) => (due[index] ?? []).map((run) => rowOf(dag, run)))
  const besides = chosen.flatMap(({ id, triggers }) => triggers.map((one) => `${id} runs on ${triggerWords(one)}.`))
  const byHand = chosen.filter((dag) => dag.schedule === null && dag.triggers.length === 0)
  if (rows.length > 0) printTable(COLUMNS, rows, out)
  else if (besides.length + byHand.length < chosen.length) out.print('Nothing is due.')
  for (const line of [...besides, ...byHand.map(({ id }) => `${id} runs by hand only.`)]) out.print(line)
}

function dagOf(dags: readonly Dag[], id: string): Dag {
  const dag = dags.find((one) => one.id === id)
  if (dag !== undefined) return dag
  throw new SluiceError('DAG_UNKNOWN', `There is no good DAG \`${id}\` in the project.`, {
    hint: '`sluice check` lists the DAGs and what is wrong with the others.',
  })
}

function rowOf(dag: Dag, run: DueRun): string[] {
  const timezone = dag.schedule?.timezone ?? 'UTC'
  return [
    run.dag,
    shortInstant(run.due),
    `${localTime(run.due, timezone)} ${timezone}`,
    `${shortInstant(run.start)} - ${shortInstant(run.end)}`,
  ]
}

/** Seconds only where a schedule has any: without them three runs of one minute would look alike. */
function localTime(iso: string, timeZone: string): string {
  const at = new Date(iso)
  const timeStyle = at.getTime() % 60_000 === 0 ? 'short' : 'medium'
  // sv-SE writes wall times as ISO 8601 does
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle }).format(at)
}
