import type { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import type { ClearedRunsShape } from '../../scheduler/shapes.js'
import { type Client, requireRunning, segment } from '../client.js'
import { instantOption } from '../instants.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { type Terminal, terminal } from '../output/terminal.js'

interface ClearOptions extends CommonOptions, JsonOption {
  downstream?: boolean
  failed?: boolean
  from?: Instant
  to?: Instant
  before?: Instant
}

/** Tasks that are named one by one in what a clear says. */
const NAMED = 20

/** `sluice clear`: has the running Sluice run tasks of a run again, or those of all ended runs of a range. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<run>', 'id of the run; with --from and --to of a DAG, whose runs of the range are cleared')
    .argument('[tasks...]', 'ids of the tasks (default: all)')
    .option('--downstream', 'also everything that needs them')
    .option('--failed', 'only those that failed or whose upstream did')
    .option('--from <instant>', 'ISO 8601 date or instant: intervals begin at or after it', instantOption)
    .option('--to <instant>', 'ISO 8601 date or instant: intervals end at or before it', instantOption)
    .option('--before <instant>', 'of the range only runs that ended before (default: now)', instantOption)
    .action(clear)
}

async function clear(id: string, tasks: string[], options: ClearOptions): Promise<void> {
  const client = requireRunning(options.project)
  const out = terminal()
  const { from, to, before } = options
  const what = {
    tasks: tasks.length === 0 ? null : tasks,
    downstream: options.downstream === true,
    failed_only: options.failed === true,
  }
  if (from !== undefined && to !== undefined) {
    const range = { from: isoInstant(from), to: isoInstant(to), ...what }
    return clearRange(
      client,
      id,
      { ...range, ...(before === undefined ? {} : { before: isoInstant(before) }) },
      options,
      out,
    )
  }
  if (from !== undefined || to !== undefined || before !== undefined) {
    throw new SluiceError('WRONG_USE', 'To clear the runs of a range takes --from and --to.', {
      hint: 'For example `sluice clear sales --from 2026-10-01 --to 2026-11-01 --failed`.',
    })
  }
  const answer = await client.post<{ run: string; cleared: string[] }>(`/runs/${segment(id)}/clear`, what)
  if (options.json === true) return printJson(answer, out)
  out.print(clearedLine(answer.cleared))
}

/** The first few by name: a run may have ten thousand items. */
function clearedLine(cleared: readonly string[]): string {
  if (cleared.length === 0) return 'Nothing to clear.'
  const more = cleared.length - NAMED
  const names = cleared.slice(0, NAMED).join(', ')
  return `Cleared ${names}${more > 0 ? ` and ${more} more` : ''}: ${cleared.length === 1 ? 'it runs' : 'they run'} again.`
}

/** Tells how far it is, and first of all how to go on should it be cut off: what ran again by then is not cleared a second time. */
async function clearRange(
  client: Client,
  dag: string,
  request: { from: string; to: string; before?: string },
  { json }: JsonOption,
  out: Terminal,
): Promise<void> {
  const cleared: ClearedRunsShape['cleared'] = []
  const tell = (text: string) => {
    if (json !== true) out.print(text)
  }
  let { before } = request
  let after: string | null = null
  do {
    const page: ClearedRunsShape = await client.post<ClearedRunsShape>(`/dags/${segment(dag)}/clear`, {
      ...request,
      before,
      after,
    })
    if (after === null && page.next !== null)
      tell(`Should this be cut off, the same command with --before ${page.before} goes on.`)
    before = page.before
    after = page.next
    cleared.push(...page.cleared)
    if (page.next !== null) tell(`${cleared.length} runs cleared, on behind ${page.next}`)
  } while (after !== null)
  if (json === true) return printJson({ dag, before, cleared }, out)
  const runs = `${cleared.length} ${cleared.length === 1 ? 'run' : 'runs'}`
  tell(cleared.length === 0 ? 'Nothing to clear.' : `Cleared ${runs} of ${dag}: they run again as there is room.`)
}
