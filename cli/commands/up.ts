import type { Command } from 'commander'
import type { DagShape, RunListEntry } from '../../scheduler/shapes.js'
import { startThread } from '../../scheduler/store/pglite.js'
import { type Client, segment } from '../client.js'
import { removeInstance } from '../instance.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { paint } from '../output/style.js'
import { type Terminal, terminal } from '../output/terminal.js'
import { shortDuration } from '../output/time.js'
import { projectConfig } from '../project.js'
import type { Serving } from '../serve.js'
import { untilSignal } from '../signals.js'

interface UpOptions extends CommonOptions, JsonOption {
  port: number
  host: string
  workers: number
  firstRun?: string
}

/** `sluice up`: a whole Sluice in one process, until a signal. */
export function declare(command: Command): void {
  projectOption(command)
    .option('--port <port>', 'of the web view; 0 takes any free one', wholeNumber(0), 8080)
    .option('--host <address>', 'that the web view listens on', '127.0.0.1')
    .option('--workers <n>', 'tasks at once', wholeNumber(1), 2)
    .option('--first-run <dag>', 'run this DAG once if nothing has ever run in the project')
  jsonOption(command).action(up)
}

async function up(options: UpOptions): Promise<void> {
  startThread()
  const out = terminal()
  const config = projectConfig(options.project)
  const { serve } = await import('../serve.js')
  const { port, host, workers } = options
  const serving = await serve({ config, host, port, workers, schedules: true })
  const stopped = untilSignal(
    (signal) => {
      out.complain(`\n${signal}: stopping; once more stops at once.`)
    },
    () => removeInstance(options.project),
  )
  try {
    await welcome(serving, options, out)
    await stopped
  } finally {
    await serving.stop()
  }
  if (options.json !== true) out.print('Stopped.')
}

async function welcome(serving: Serving, options: UpOptions, out: Terminal): Promise<void> {
  const dags = await serving.client.get<DagShape[]>('/dags')
  const firstRun = options.firstRun === undefined ? null : await firstRunOf(serving.client, options.firstRun)
  if (options.json === true) {
    const { url, loginLink: login } = serving
    printJson({ url, login, pid: process.pid, dags: dags.length, workers: options.workers, first_run: firstRun }, out)
    return
  }
  const took = shortDuration(process.uptime() * 1000)
  out.print(`${paint('Sluice is ready', 'green', out.coloured)} after ${took}: ${serving.url}`)
  out.print(`Log in, once:    ${paint(serving.loginLink, 'bold', out.coloured)}`)
  out.print(`Project:         ${options.project}, ${dags.length} DAGs, ${options.workers} tasks at once`)
  if (firstRun !== null) out.print(`First run:       ${serving.client.url}/runs/${firstRun}`)
  out.print('Ctrl-C stops it.')
}

/** The run it has made; null where something has run before. The idempotency key makes two starts in a row one run. */
async function firstRunOf(client: Client, dagId: string): Promise<string | null> {
  const runs = await client.get<RunListEntry[]>('/runs?limit=1')
  if (runs.length > 0) return null
  const { run } = await client.post<{ run: string }>(`/dags/${segment(dagId)}/runs`, {}, `first-run-${dagId}`)
  return run
}
