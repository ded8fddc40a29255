import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { type ProcessInfo, processesGiven, processesWith, signalProcess } from '../process/process-group.js'
import { runProcess } from '../process/run-process.js'
import type { SparkTarget } from './connection.js'
import { type SparkHandle, SUBMISSION_MARKER, SUBMISSION_PROPERTY } from './handle.js'
import { yarnTag } from './submission.js'
import { SubmissionServer } from './submission-server.js'

/** A worker gives an attempt ten seconds to stop. */
const BOUND_MS = 8_000
/** Nobody waits for an attempt to stop when applications are looked for. */
const LIST_MS = 30_000
const ROUNDS = 50
const PAUSE_MS = 20

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
  const { manager, applicationId, submissionId, marker } = handle
  if (manager === 'standalone' && submissionId !== null) {
    ctx.log('warn', `Ending the driver ${submissionId} in the cluster.`)
    await submissionServer(handle, target).kill(submissionId, AbortSignal.timeout(BOUND_MS))
  } else if (manager === 'yarn') {
    const ids = applicationId === null ? await taggedInYarn(marker, target, ctx) : [applicationId]
    for (const id of ids) await killBy(['yarn', 'application', '-kill', id], target, ctx)
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
    : new SubmissionServer([target.submissionUrl])
}

/** The applications of a submission that have not ended, when it was lost before it told the id. */
async function taggedInYarn(marker: string, target: SparkTarget, ctx: EndingContext): Promise<string[]> {
  const found = new Set<string>()
  const states = 'NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING'
  const list = ['yarn', 'application', '-list', '-appTags', yarnTag(marker), '-appStates', states]
  const log: EndingContext['log'] = (level, line) => {
    const id = /^\s*(application_\d+_\d+)\b/.exec(line)?.[1]
    if (level === 'info' && id !== undefined) found.add(id)
    else ctx.log('debug', line)
  }
  await runTool(list, target, { ...ctx, log }, LIST_MS)
  return [...found]
}

async function killBy(argv: string[], target: SparkTarget, ctx: EndingContext): Promise<void> {
  ctx.log('warn', `Ending the application: ${argv.join(' ')}`)
  await runTool(argv, target, ctx)
}

async function runTool(argv: string[], target: SparkTarget, ctx: EndingContext, boundMs = BOUND_MS): Promise<void> {
  const end = await runProcess(argv, {
    cwd: ctx.workDir,
    env: target.env,
    signal: AbortSignal.timeout(boundMs),
    log: (level, line) => ctx.log(level, line),
    logDrained: () => ctx.logDrained(),
    graceMs: 500,
  })
  if (end.exitCode !== 0) throw new Error(`${argv[0]} ended with exit code ${end.exitCode}`)
}

/** Kills the driver that a crashed attempt of this task has left on this worker, before another is started. */
export function endLeftBehind(handle: SparkHandle, ctx: Pick<OperatorContext, 'log'>): void {
  kill(processesWith(`${SUBMISSION_MARKER}=${handle.marker}`), ctx)
}

/**
 * Kills what an earlier attempt has left of its spark-submit on this worker, so that it cannot submit any more. A driver that
 * the cluster runs on this machine inherits the environment of spark-submit, but not its arguments: it lives on.
 */
export async function endSubmitter(handle: SparkHandle, ctx: Pick<OperatorContext, 'log'>): Promise<void> {
  const argument = `${SUBMISSION_PROPERTY}=${handle.marker}`
  // A script may start the next program while it is being killed.
  for (let round = 0; round < ROUNDS; round += 1) {
    const left = processesGiven(argument)
    if (left.length === 0 && round > 0) return
    kill(left, ctx)
    await delay(PAUSE_MS)
  }
}

function kill(processes: readonly ProcessInfo[], ctx: Pick<OperatorContext, 'log'>): void {
  for (const { pid, name } of processes) {
    ctx.log('warn', `Ending ${name} (pid ${pid}), left behind by an earlier attempt.`)
    signalProcess(pid, 'SIGKILL')
  }
}
