import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import type { RunShape } from '../../scheduler/shapes.js'
import { startThread } from '../../scheduler/store/pglite.js'
import { type Client, findRunning, segment } from '../client.js'
import { followRun } from '../follow-run.js'
import { removeInstance } from '../instance.js'
import { type CommonOptions, type JsonOption, jsonOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { type Progress, progressOf } from '../output/progress.js'
import { formatChecks, formatRun, formatTasks } from '../output/run-tables.js'
import { type Terminal, terminal } from '../output/terminal.js'
import { elapsed } from '../output/time.js'
import { projectConfig } from '../project.js'
import { type RunRequestOptions, runRequestOptions, triggerOver } from '../run-request.js'
import { untilSignal } from '../signals.js'

interface RunOptions extends CommonOptions, JsonOption, RunRequestOptions {
  workers: number
}

/** `sluice run`: makes a run and shows it to its end. It ends with 1 when the run has not succeeded. */
export function declare(command: Command): void {
  runRequestOptions(jsonOption(command))
    .option('--workers <n>', 'tasks at once, when no Sluice runs on the project', wholeNumber(1), 2)
    .action(run)
}

/** On the project's running Sluice, or else on one of its own for its duration. */
async function run(dagId: string, options: RunOptions): Promise<void> {
  const running = await findRunning(options.project)
  if (running !== null) return runOn(running, dagId, options)
  startThread()
  const config = projectConfig(options.project)
  const { serve } = await import('../serve.js')
  const serving = await serve({ config, host: '127.0.0.1', port: 0, workers: options.workers, schedules: false })
  try {
    await runOn(serving.client, dagId, options)
  } finally {
    await serving.stop()
  }
}

async function runOn(client: Client, dagId: string, options: RunOptions): Promise<void> {
  const out = terminal()
  const { run: runId } = await triggerOver(client, dagId, options, randomUUID())
  const cancelled = cancelOnSignal(client, runId, options, out)
  const ended = options.json === true ? await quietly(client, runId) : await shown(client, runId, out)
  if (ended.state !== 'success') process.exitCode = 1
  cancelled.forget()
  if (options.json === true) printJson(jsonOf(ended), out)
  else printEnd(ended, out)
}

/** Ctrl-C cancels the run and goes on to show how it ends. */
function cancelOnSignal(client: Client, runId: string, options: RunOptions, out: Terminal): { forget(): void } {
  let forgotten = false
  const asked = () => {
    if (!forgotten) out.complain(`Cancelling ${runId}; once more leaves it at once.`)
  }
  untilSignal(asked, () => removeInstance(options.project)).then(async () => {
    if (forgotten) return
    await client.post(`/runs/${segment(runId)}/cancel`, {}).catch((error: unknown) => {
      // the run may have ended by itself in this very moment; how it ended is shown in any case
      out.complain(error instanceof Error ? error.message : String(error))
    })
  })
  return {
    forget: () => {
      forgotten = true
    },
  }
}

const never = new AbortController().signal

function quietly(client: Client, runId: string): Promise<RunShape> {
  return followRun(client, runId, { start: () => {}, task: () => {}, run: () => {} }, never)
}

async function shown(client: Client, runId: string, out: Terminal): Promise<RunShape> {
  let progress: Progress | null = null
  out.print(runId)
  try {
    return await followRun(
      client,
      runId,
      {
        start: (run) => {
          progress = progressOf(run.tasks, out, process.stdout.rows ?? 24)
        },
        task: (task) => progress?.task(task),
        run: (run) => progress?.run(run),
      },
      never,
    )
  } finally {
    ;(progress as Progress | null)?.end()
  }
}

/** Exactly these keys, in this order: programs read them. */
function jsonOf(run: RunShape): unknown {
  return {
    run: run.run,
    dag: run.dag,
    state: run.state,
    tasks: run.tasks.map(({ task, state, attempt, started_at, ended_at, reason, tables, checks }) => {
      return { task, state, attempt, started_at, ended_at, reason, tables, checks }
    }),
  }
}

function printEnd(run: RunShape, out: Terminal): void {
  out.print(`\n${formatTasks(run.tasks, Date.now(), out)}`)
  if (run.tasks.some(({ checks }) => checks.length > 0)) out.print(`\n${formatChecks(run.tasks, out)}`)
  const took = elapsed(run.started_at, run.ended_at, Date.now())
  out.print(`\n${formatRun(run, took, out)}`)
}
