import type { Command } from 'commander'
import type { DagScheduleShape, MissedShape } from '../../scheduler/shapes.js'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'

interface ResumeOptions extends CommonOptions, JsonOption {
  skipMissed?: boolean
  dryRun?: boolean
}

/** `sluice resume`: ends a pause over the running Sluice, or with --dry-run only tells what it would make up for. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<dag>', 'id of the DAG')
    .option('--skip-missed', "make up for nothing, whatever the DAG's catchup says")
    .option('--dry-run', 'only tell what was missed and what would be made')
    .action(resume)
}

async function resume(dagId: string, options: ResumeOptions): Promise<void> {
  const client = requireRunning(options.project)
  const out = terminal()
  const place = `/dags/${segment(dagId)}`
  if (options.dryRun === true) {
    const { missed } = await client.get<DagScheduleShape>(`${place}/schedule?limit=1`)
    if (options.json === true) return printJson({ paused: true, missed }, out)
    return out.print(missedLine(options.skipMissed === true ? { ...missed, makes: 0 } : missed, false))
  }
  const body = { skip_missed: options.skipMissed === true }
  const answer = await client.post<{ paused: boolean; missed: MissedShape }>(`${place}/resume`, body)
  if (options.json === true) return printJson(answer, out)
  out.print(missedLine(answer.missed, true))
  const { upcoming } = await client.get<DagScheduleShape>(`${place}/schedule?limit=1`)
  const [next] = upcoming
  out.print(`${dagId} is active${next === undefined ? '' : `, next due ${shortInstant(next.due)}`}.`)
}

/**
 * What a pause has missed, and what becomes of it.
 * @param done whether it has been resumed, or would only be
 */
export function missedLine({ slots, first_due, last_due, makes }: MissedShape, done: boolean): string {
  if (slots === 0) return 'Nothing was missed.'
  const range =
    slots === 1 ? `due ${shortInstant(first_due)}` : `due ${shortInstant(first_due)} to ${shortInstant(last_due)}`
  const be = done ? (makes > 1 ? 'are' : 'is') : 'would be'
  const which = makes < slots ? `${makes} of them` : slots === 1 ? 'it' : 'all'
  const made = makes === 0 ? `none of them ${be} made up for` : `${which} ${be} made now`
  return `${slots} run${slots === 1 ? '' : 's'} missed while it was paused, ${range}: ${made}.`
}
