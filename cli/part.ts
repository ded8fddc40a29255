import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../duration.js'
import type { RunningPart } from '../scheduler/cluster/scheduler-part.js'
import { openHealthPort } from './health-port.js'
import { type CommonOptions, wholeNumber } from './options.js'
import { terminal } from './output/terminal.js'
import { shortDuration } from './output/time.js'
import { untilSignal } from './signals.js'

export interface PartCommandOptions extends CommonOptions {
  healthPort?: number
  healthHost: string
}

/**
 * Adds the options of the port that tells whatever looks after a part of a cluster how it is; without a port there is
 * none.
 */
export function healthOptions(command: Command): Command {
  return command
    .option('--health-port <port>', 'serve /health and /metrics there', wholeNumber(1))
    .option('--health-host <address>', 'that the health port listens on', '127.0.0.1')
}

/** A duration such as `10m`, in milliseconds, for commander. */
export function durationArgument(text: string): number {
  const ms = parseDuration(text)
  if (ms === null) throw new InvalidArgumentError('It must be a duration such as 30s or 10m.')
  return ms
}

/**
 * Runs one part of a cluster until a signal ends it, or until it can do no more good: then the process ends with an error,
 * so that whatever looks after it starts it anew.
 * @param ending what is done between the first signal and the end
 */
export async function runPart<Part extends RunningPart>(
  name: string,
  options: PartCommandOptions,
  start: () => Promise<Part>,
  ending: (part: Part) => Promise<void> = async () => undefined,
): Promise<void> {
  const out = terminal()
  const part = await start()
  const { healthPort, healthHost } = options
  const health = healthPort === undefined ? null : await openHealthPort(healthHost, healthPort, () => part.ready())
  out.print(`${name} is ready after ${shortDuration(process.uptime() * 1000)}.`)
  const signal = untilSignal(
    (received) => out.complain(`${received}: stopping; once more stops at once.`),
    () => undefined,
  )
  const broken = await Promise.race([signal.then(() => null), part.broken])
  if (broken === null) await ending(part)
  await health?.close()
  await part.close()
  if (broken !== null) throw broken
  out.print('Stopped.')
}
