import { setTimeout as delay } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { projectOption, wholeNumber } from '../options.js'
import { durationArgument, healthOptions, type PartCommandOptions, runPart } from '../part.js'
import { projectConfig } from '../project.js'

interface WorkerOptions extends PartCommandOptions {
  queues: string[]
  slots: number
  drain: number
}

/** `sluice worker`: one worker of a cluster, until a signal. The first signal lets running tasks end within --drain. */
export function declare(command: Command): void {
  healthOptions(projectOption(command))
    .option('--queues <names>', 'queues to serve, separated by commas', queueNames, ['default'])
    .option('--slots <n>', 'tasks at once', wholeNumber(1), 2)
    .addOption(
      new Option('--drain <duration>', 'how long running tasks may take to end after SIGTERM')
        .argParser(durationArgument)
        .default(600_000, '10m'),
    )
    .action(worker)
}

async function worker(options: WorkerOptions): Promise<void> {
  const config = projectConfig(options.project)
  const [{ startWorkerPart }, { serviceLog }] = await Promise.all([
    import('../../scheduler/cluster/worker-part.js'),
    import('../serve.js'),
  ])
  const { queues, slots, drain } = options
  const start = () => startWorkerPart({ config, queues, slots, log: serviceLog('info') })
  await runPart('Worker', options, start, async (part) => {
    const bound = new AbortController()
    await Promise.race([part.drain(), delay(drain, undefined, { signal: bound.signal })])
    bound.abort()
  })
}

function queueNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.some((name) => !/^[A-Za-z_][A-Za-z0-9_-]{0,99}$/.test(name)))
    throw new InvalidArgumentError('It must be names such as default,spark.')
  return [...new Set(names)]
}
