import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError, SluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { OUTPUTS_VARIABLE } from '../process/outputs-file.js'
import { type ProcessEnd, runProcess } from '../process/run-process.js'
import type { SparkTarget } from './connection.js'
import { propertiesText, type SparkDefaults } from './defaults.js'
import { DriverLog } from './driver-log.js'
import { endOutside, submissionServer } from './end-application.js'
import { SparkFailure } from './failure.js'
import { noFigures, type SparkFigures } from './figures.js'
import { type SparkHandle, SUBMISSION_MARKER } from './handle.js'
import { findDriver } from './left-driver.js'
import { type LogFacts, noFacts, SparkLogLines } from './log-lines.js'
import { type Submission, type SubmissionPlace, submitterEnvironment } from './submission.js'
import type { DriverStatus } from './submission-server.js'
import { ApplicationWatch } from './watch.js'

/** The places of one submission in the attempt's private folder. */
export function submissionPaths(
  ctx: OperatorContext,
): Omit<SubmissionPlace, 'marker'> & { outputs: string; log4j: string } {
  const path = (name: string) => join(ctx.workDir, name)
  return {
    properties: path('spark.conf'),
    eventLog: path('spark-events'),
    outputs: path('outputs.json'),
    log4j: path('log4j2.properties'),
  }
}

/** How an application ended; `failure` is null for one that did what it should. */
export interface ApplicationEnd {
  figures: SparkFigures
  failure: SluiceError | null
}

/**
 * Runs one submission to the end of its application. The handle is saved before spark-submit starts and again when the
 * application's id is known; an abort ends the process tree and what runs in the cluster.
 * @throws SluiceError PROGRAM_MISSING; the signal's reason after an abort
 */
export async function runApplication(
  submission: Submission,
  target: SparkTarget,
  defaults: SparkDefaults,
  handle: SparkHandle,
  ctx: OperatorContext,
): Promise<ApplicationEnd> {
  writeFiles(submission, defaults, ctx)
  const lines = new SparkLogLines()
  const failure = new SparkFailure()
  const watch = new ApplicationWatch(handle, lines.facts, ctx)
  await watch.start()
  let endedOutside = false
  // Once its id is known; the log may have told it a moment before the watch has saved it.
  const endOnce = async () => {
    handle.applicationId ??= lines.facts.applicationId
    if (submission.deployMode === 'cluster') handle.submissionId ??= lines.facts.submissionId
    if (endedOutside || (handle.applicationId ?? handle.submissionId) === null) return
    endedOutside = true
    await endOutside(handle, target, ctx)
  }
  const ending = whenAborted(ctx, endOnce)
  let figures = noFigures()
  try {
    let ended: SluiceError | null
    try {
      const end = await submit(submission, target, handle, { lines, failure, watch }, ctx)
      if (end.exitCode !== 0) ended = failure.error({ master: submission.master, end })
      else ended = await driverEnd(handle, target, { watch, facts: lines.facts }, ctx)
    } finally {
      figures = await watch.end()
    }
    return { figures, failure: ended }
  } finally {
    await ending.done()
    // The end of spark-submit may have brought the id that was not known when the abort came.
    if (ctx.signal.aborted) await endOnce()
    await forgetEventLog(handle)
  }
}

/** Follows a driver that an earlier attempt has submitted to a standalone cluster; an abort ends it. */
export async function followDriver(
  handle: SparkHandle,
  target: SparkTarget,
  ctx: OperatorContext,
): Promise<ApplicationEnd> {
  const facts = noFacts()
  const watch = new ApplicationWatch(handle, facts, ctx)
  await watch.start()
  const ending = whenAborted(ctx, () => endOutside(handle, target, ctx))
  let figures = noFigures()
  try {
    let ended: SluiceError | null
    try {
      ended = await driverEnd(handle, target, { watch, facts }, ctx)
    } finally {
      figures = await watch.end()
    }
    return { figures, failure: ended }
  } finally {
    await ending.done()
    await forgetEventLog(handle)
  }
}

/** Nobody else knows of the folder that was made for one submission. */
async function forgetEventLog({ deployMode, eventLog }: SparkHandle): Promise<void> {
  if (deployMode === 'cluster' && eventLog !== null) await rm(eventLog, { recursive: true, force: true })
}

/**
 * Waits for a driver that goes on after spark-submit has ended, inside a standalone cluster; its log becomes ours.
 * @returns null when it has finished well, or nothing is left to wait for
 */
async function driverEnd(
  handle: SparkHandle,
  target: SparkTarget,
  { watch, facts }: { watch: ApplicationWatch; facts: LogFacts },
  ctx: OperatorContext,
): Promise<SluiceError | null> {
  if (handle.manager !== 'standalone' || handle.deployMode !== 'cluster') return null
  await watch.learn()
  if (handle.submissionId === null) {
    handle.submissionId = (await findDriver(handle, target, ctx)).id
    await watch.learn()
  }
  if (handle.submissionId === null) {
    return new SluiceError('OPERATOR_FAILED', 'spark-submit ended without naming the driver it has submitted.')
  }
  const log = new DriverLog(handle.submissionId, handle, target, facts, ctx)
  const ended = await submissionServer(handle, target).untilEnded(handle.submissionId, ctx, async ({ host }) => {
    watch.driverAt(host)
    // one that waits for a place has no log
    if (host !== null) await log.look()
  })
  const place = await log.end()
  if (place !== null) ctx.log('warn', place)
  return ended.state === 'FINISHED' ? null : driverFailure(handle.submissionId, ended, { log, place }, handle)
}

/** The cluster's own reason, where it has one (it could not start the driver); else what the driver's log tells. */
function driverFailure(
  driver: string,
  { state, message }: DriverStatus,
  { log, place }: { log: DriverLog; place: string | null },
  { master }: SparkHandle,
): SluiceError {
  if (state === 'FAILED' && log.failure.knows) {
    return log.failure.error({ master, end: `the driver ${driver} ended as ${state}` })
  }
  const why = message.split('\n').find((line) => line !== '' && !line.startsWith('Exception from the cluster:'))
  const words = `The driver ${driver} ended as ${state}${why === undefined ? '.' : `: ${why}`}`
  return new SluiceError('OPERATOR_FAILED', words, place === null ? {} : { hint: place })
}

/** Runs `end` once when the attempt is aborted; `done` waits for it. */
function whenAborted(ctx: OperatorContext, end: () => Promise<void>): { done(): Promise<void> } {
  let ending: Promise<void> = Promise.resolve()
  const abort = () => {
    ending = end()
  }
  ctx.signal.addEventListener('abort', abort, { once: true })
  return {
    async done() {
      ctx.signal.removeEventListener('abort', abort)
      await ending
    },
  }
}

/** In cluster mode this JVM only submits, and what it says must name the driver. */
const LOG4J = `rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
`

function writeFiles(submission: Submission, defaults: SparkDefaults, ctx: OperatorContext): void {
  const paths = submissionPaths(ctx)
  if (submission.eventLog !== null) {
    mkdirSync(submission.eventLog, { recursive: true })
    // A driver inside a cluster may be another user: what it writes here gets our group, which may read it.
    if (submission.deployMode === 'cluster') chmodSync(submission.eventLog, 0o2777)
  }
  if (submission.deployMode === 'cluster') writeFileSync(paths.log4j, LOG4J)
  if (submission.properties === null) return
  // A properties file replaces the defaults of the installation, so it begins with them.
  const text = `${defaults.text}\n${propertiesText(submission.properties)}`
  writeFileSync(paths.properties, text, { mode: 0o600 })
}

async function submit(
  submission: Submission,
  target: SparkTarget,
  handle: SparkHandle,
  heard: { lines: SparkLogLines; failure: SparkFailure; watch: ApplicationWatch },
  ctx: OperatorContext,
): Promise<ProcessEnd> {
  const { outputs, log4j } = submissionPaths(ctx)
  const quiet = submission.deployMode === 'client' ? {} : { SPARK_SUBMIT_OPTS: submitOptions(target, log4j) }
  try {
    return await runProcess(submission.argv, {
      cwd: ctx.workDir,
      env: {
        PYTHONUNBUFFERED: '1',
        PYTHONIOENCODING: 'utf-8',
        ...submitterEnvironment(submission, target.env),
        ...quiet,
        SLUICE_COMMIT_TOKEN: ctx.token,
        [OUTPUTS_VARIABLE]: outputs,
        [SUBMISSION_MARKER]: handle.marker,
      },
      signal: ctx.signal,
      log: (stream, line) => {
        // runProcess gives stdout as `info` and stderr as `warn`.
        const stdout = stream === 'info'
        heard.failure.line(line, stdout ? 'stdout' : 'stderr')
        const level = stdout ? heard.lines.stdout(line) : heard.lines.stderr(line)
        heard.watch.heard()
        if (level !== null) ctx.log(level, line)
      },
      logDrained: () => ctx.logDrained(),
    })
  } catch (error) {
    if (!isSluiceError(error, 'PROGRAM_MISSING')) throw error
    const hint =
      'Install Spark (or `pip install pyspark`) and Java 17 on the worker, or name them in the connection: spark_home, submit.'
    throw new SluiceError('PROGRAM_MISSING', error.message, { cause: error, hint, retryable: false })
  }
}

function submitOptions(target: SparkTarget, log4j: string): string {
  const own = `-Dlog4j2.configurationFile=file:${log4j} -Dlog4j.configurationFile=file:${log4j}`
  return [target.env.SPARK_SUBMIT_OPTS, own].filter((part) => part !== undefined && part !== '').join(' ')
}
