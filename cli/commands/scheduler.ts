import type { Command } from 'commander'
import { projectOption } from '../options.js'
import { healthOptions, type PartCommandOptions, runPart } from '../part.js'
import { projectConfig } from '../project.js'

/** `sluice scheduler`: one scheduler of a cluster, until a signal. Any number may run at once. */
export function declare(command: Command): void {
  healthOptions(projectOption(command)).action(scheduler)
}

async function scheduler(options: PartCommandOptions): Promise<void> {
  const config = projectConfig(options.project)
  const [{ startSchedulerPart }, { serviceLog }] = await Promise.all([
    import('../../scheduler/cluster/scheduler-part.js'),
    import('../serve.js'),
  ])
  await runPart('Scheduler', options, () => startSchedulerPart({ config, log: serviceLog('info') }))
}
