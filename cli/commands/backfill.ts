import { type Command, InvalidArgumentError, Option } from 'commander'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import type { BackfillPreviewShape, BackfillShape, DagShape } from '../../scheduler/shapes.js'
import { type Client, requireRunning, segment } from '../client.js'
import { instantOption } from '../instants.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { printTable } from '../output/table.js'
import { type Terminal, terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'

interface BackfillOptions extends CommonOptions, JsonOption {
  from?: Instant
  to?: Instant
  missing?: boolean
  failed?: boolean
  reverse?: boolean
  maxActive?: number
  dryRun?: boolean
  key?: string
  list?: boolean
  pause?: number
  resume?: number
  cancel?: number
}

const COLUMNS = [
  { title: 'BACKFILL', align: 'right' },
  { title: 'DAG' },
  { title: 'STATE' },
  { title: 'FROM' },
  { title: 'TO' },
  { title: 'DONE', align: 'right' },
  { title: 'RUNS' },
] as const

/**
 * `sluice backfill`: makes, lists, pauses, resumes or cancels backfills over the running Sluice; it does not wait for
 * the runs.
 */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('[dag]', 'id of the DAG')
    .option('--from <instant>', 'ISO 8601 date or instant: intervals begin at or after it', instantOption)
    .option('--to <instant>', 'ISO 8601 date or instant: intervals end at or before it', instantOption)
    .addOption(new Option('--missing', 'only intervals without a run').conflicts('failed'))
    .addOption(new Option('--failed', 'only intervals whose runs have failed or were cancelled'))
    .option('--reverse', 'the latest interval first')
    .option('--max-active <n>', 'runs at once', wholeNumber(1))
    .option('--key <text>', 'idempotency key: the same key and request make one backfill, however often they are sent')
    .option('--dry-run', 'only tell what would be made')
    .option('--list', 'list backfills, newest first')
    .addOption(actOn('pause', 'make no further run of this backfill'))
    .addOption(actOn('resume', 'go on with this backfill'))
    .addOption(actOn('cancel', 'end this backfill and cancel its runs under way'))
    .action(backfill)
}

function actOn(name: string, summary: string): Option {
  return new Option(`--${name} <id>`, summary).argParser((text) => {
    if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be the number of a backfill.')
    return Number(text)
  })
}

async function backfill(dagId: string | undefined, options: BackfillOptions): Promise<void> {
  const client = requireRunning(options.project)
  const out = terminal()
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    const id = options[action]
    if (id === undefined) continue
    const shape = await client.post<BackfillShape>(`/backfills/${id}/${action}`, {})
    return options.json === true
      ? printJson(shape, out)
      : out.print(`Backfill ${id} of ${shape.dag} is ${shape.state}.`)
  }
  if (options.list === true) return list(client, dagId, options, out)
  await start(client, dagId, options, out)
}

async function list(client: Client, dagId: string | undefined, options: JsonOption, out: Terminal): Promise<void> {
  const query = dagId === undefined ? '' : `?dag=${encodeURIComponent(dagId)}`
  const backfills = await client.get<BackfillShape[]>(`/backfills${query}`)
  if (options.json === true) return printJson(backfills, out)
  if (backfills.length === 0) return out.print('No backfills.')
  printTable(COLUMNS, backfills.map(rowOf), out)
}

async function start(
  client: Client,
  dagId: string | undefined,
  options: BackfillOptions,
  out: Terminal,
): Promise<void> {
  const { from, to, missing, failed, reverse, maxActive, dryRun, key } = options
  if (dagId === undefined || from === undefined || to === undefined) {
    throw new SluiceError('WRONG_USE', 'A backfill needs a DAG, --from and --to.', {
      hint: 'For example `sluice backfill sales --from 2026-10-01 --to 2026-11-01 --missing`; --list shows those there are.',
    })
  }
  const body = {
    from: isoInstant(from),
    to: isoInstant(to),
    which: missing === true ? 'missing' : failed === true ? 'failed' : 'all',
    reverse: reverse === true,
    max_active: maxActive ?? null,
    dry_run: dryRun === true,
  }
  const answer = await client.post<BackfillPreviewShape>(`/dags/${segment(dagId)}/backfills`, body, key)
  if (options.json === true) return printJson(answer, out)
  for (const line of previewLines(answer)) out.print(line)
  if (answer.backfill !== null) {
    out.print(
      `Backfill ${answer.backfill} has begun. \`sluice backfill --list\` shows how far it is, --pause and --cancel stop it.`,
    )
    const { paused } = await client.get<DagShape>(`/dags/${segment(dagId)}`)
    if (paused) out.print(`${dagId} is paused: no run is made or started before \`sluice resume ${dagId}\`.`)
  }
}

function previewLines(answer: BackfillPreviewShape): string[] {
  if (answer.intervals === 0) return [`${answer.dag}: no whole interval lies in the range.`]
  const due = `due ${shortInstant(answer.first_due)} to ${shortInstant(answer.last_due)}`
  return [
    `${answer.dag}: ${answer.intervals} ${answer.intervals === 1 ? 'interval' : 'intervals'}, ${due}.`,
    `With a run that is good or under way: ${answer.good}; with failed ones only: ${answer.failed}; with none: ${answer.missing}.`,
    `${answer.makes} ${answer.makes === 1 ? 'run' : 'runs'}, ${answer.max_active} at once.`,
  ]
}

function rowOf(shape: BackfillShape): string[] {
  const runs = Object.entries(shape.runs).filter(([, count]) => count > 0)
  return [
    String(shape.backfill),
    shape.dag,
    shape.state,
    shortInstant(shape.from),
    shortInstant(shape.to),
    `${shape.passed}/${shape.intervals}`,
    runs.map(([state, count]) => `${count} ${state}`).join(', '),
  ]
}
