import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import type { AttemptShape, LogLine, RunShape } from '../../scheduler/shapes.js'
import { type Client, requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { type Colour, harmless, paint } from '../output/style.js'
import { type Terminal, terminal } from '../output/terminal.js'

interface LogsOptions extends CommonOptions, JsonOption {
  follow?: boolean
  attempt?: number
}

const LEVEL_COLOURS: Record<LogLine['level'], Colour | null> = {
  debug: 'grey',
  info: null,
  warn: 'yellow',
  error: 'red',
}

const LOOK_EVERY_MS = 250

/** `sluice logs`: prints the log of an attempt from the running Sluice, as it is or as it grows. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('<run>', 'id of the run')
    .argument('<task>', 'id of the task')
    .option('-f, --follow', 'go on until the attempt ends')
    .option('--attempt <n>', 'this attempt (default: the last one)', wholeNumber(1))
    .action(show)
}

async function show(runId: string, taskId: string, options: LogsOptions): Promise<void> {
  const client = requireRunning(options.project)
  const attempts = `/runs/${segment(runId)}/tasks/${segment(taskId)}/attempts`
  const attempt = options.attempt ?? (await lastAttempt(client, runId, taskId, options.follow === true))
  const out = terminal()
  for await (const text of client.lines(
    `${attempts}/${attempt}/log?from=1${options.follow === true ? '&follow=1' : ''}`,
  )) {
    if (text === '') continue
    // --json gives the lines as they are kept: NDJSON, so that a log of any length can be read as it comes
    out.print(options.json === true ? text : formatLine(JSON.parse(text) as LogLine, out))
  }
}

/** The last attempt there is; when following, a task that has none yet is waited for as long as its run lasts. */
async function lastAttempt(client: Client, runId: string, taskId: string, wait: boolean): Promise<number> {
  const run = `/runs/${segment(runId)}`
  for (;;) {
    const { ended_at: endedAt } = await client.get<RunShape>(run)
    const attempts = await client.get<AttemptShape[]>(`${run}/tasks/${segment(taskId)}/attempts`)
    const last = attempts.reduce((highest, { attempt }) => Math.max(highest, attempt), 0)
    if (last > 0) return last
    if (!wait || endedAt !== null) break
    await delay(LOOK_EVERY_MS)
  }
  throw new SluiceError('STATE_CONFLICT', `${taskId} has not been attempted, so it has no log.`, {
    hint: '`sluice tasks RUN` says why.',
  })
}

function formatLine(line: LogLine, out: Terminal): string {
  const stamp = paint(line.at.slice(11, 23), 'grey', out.coloured)
  const level = line.level === 'info' ? '' : `${line.level.toUpperCase()} `
  return `${stamp} ${paint(level + harmless(line.message), LEVEL_COLOURS[line.level], out.coloured)}`
}
