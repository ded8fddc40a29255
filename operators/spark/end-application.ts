import { messageOf } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { processesWith, signalProcess } from '../process/process-group.js'
import { runProcess } from '../process/run-process.js'
import type { SparkTarget } from './connection.js'
import { type SparkHandle, SUBMISSION_MARKER } from './handle.js'
import { SubmissionServer } from './submission-server.js'

/** A worker gives an attempt ten seconds to stop. */
const BOUND_MS = 8_000

/**
 * Ends what runs of an application outside this worker: the driver in a standalone cluster, the application in YARN, the
 * pod in Kubernetes. In client mode without YARN nothing is outside: executors leave with their driver. Never rejects: what
 * could not be ended is told in the log.
 */
export async function endOutside(handle: SparkHandle, target: SparkTarget, ctx: OperatorContext): Promise<void> {
  try {
    await endApplication(handle, target, ctx)
  } catch (error) {
    const id = handle.submissionId ?? handle.applicationId ?? 'the application'
    ctx.log('error', `${id} could not be ended and may still run: ${messageOf(error)}`)
  }
}

/** What ending an application needs. */
type EndingContext = Pick<OperatorContext, 'log' | 'logDrained' | 'workDir'>

/** The same, for those who try again. @throws when it could not be ended and may still run */
export async function endApplication(handle: SparkHandle, target: SparkTarget, ctx: EndingContext): Promise<void> {
  const { manager, applicationId, submissionId } = handle
  if (manager === 'standalone' && submissionId !== null) {
    ctx.log('warn', `Ending the driver ${submissionId} in the cluster.`)
    await submissionServer(handle, target).kill(submissionId, AbortSignal.timeout(BOUND_MS))
  } else if (manager === 'yarn' && applicationId !== null) {
    await killBy(['yarn', 'application', '-kill', applicationId], target, ctx)
  } else if (manager === 'kubernetes' && submissionId !== null) {
    await killBy([target.submit, '--master', handle.master, '--kill', submissionId], target, ctx)
  }
}

/**
 * The server that drivers in a standalone cluster are asked about: the connection's own, or that beside the
 * application's master.
 */
export function submissionServer(handle: SparkHandle, target: SparkTarget): SubmissionServer {
  return target.submissionUrl === null
    ? SubmissionServer.besides(handle.master)
    : new SubmissionServer(target.submissionUrl)
}

async function killBy(argv: string[], target: SparkTarget, ctx: EndingContext): Promise<void> {
  ctx.log('warn', `Ending the application: ${argv.join(' ')}`)
  const end = await runProcess(argv, {
    cwd: ctx.workDir,
    env: target.env,
    signal: AbortSignal.timeout(BOUND_MS),
    log: (level, line) => ctx.log(level, line),
    logDrained: () => ctx.logDrained(),
    graceMs: 500,
  })
  if (end.exitCode !== 0) throw new Error(`${argv[0]} ended with exit code ${end.exitCode}`)
}

/** Kills the driver that a crashed attempt of this task has left on this worker, before another is started. */
export function endLeftBehind(handle: SparkHandle, ctx: Pick<OperatorContext, 'log'>): void {
  for (const { pid, name } of processesWith(`${SUBMISSION_MARKER}=${handle.marker}`)) {
    ctx.log('warn', `Ending ${name} (pid ${pid}), left behind by an earlier attempt.`)
    signalProcess(pid, 'SIGKILL')
  }
}
