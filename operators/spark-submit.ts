import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { messageOf } from '../errors.js'
import type { Json } from '../json.js'
import type { Commit } from '../lakehouse/lakehouse.js'
import {
  type EndContext,
  type Operator,
  type OperatorContext,
  OperatorFailure,
  type OperatorResult,
} from './operator.js'
import { readOutputs } from './process/outputs-file.js'
import { type ApplicationEnd, followDriver, runApplication, submissionPaths } from './spark/application.js'
import { SPARK_PROPERTIES, type SparkSubmitConfig } from './spark/config.js'
import { type SparkTarget, sparkTarget } from './spark/connection.js'
import { sparkDefaults } from './spark/defaults.js'
import { SPARK_SUBMIT_DOCS } from './spark/docs.js'
import { endApplication, endLeftBehind, endOutside, endSubmitter, submissionServer } from './spark/end-application.js'
import { metricsOf, summaryOf } from './spark/figures.js'
import { placeFiles } from './spark/files.js'
import { readHandle, type SparkHandle } from './spark/handle.js'
import { findDriver, isUnnamed } from './spark/left-driver.js'
import { submissionOf } from './spark/submission.js'
import { isDriverEnd } from './spark/submission-server.js'
import { auditAfterwards, checkedTable, commitsSince, versionsNow } from './spark/written-tables.js'

/** Runs an application with spark-submit: on this machine, on a standalone cluster, on YARN or on Kubernetes. */
export const sparkSubmit: Operator<SparkSubmitConfig> = {
  type: 'spark_submit',
  summary: 'Runs a Spark application and follows it to its end',
  docs: SPARK_SUBMIT_DOCS,
  weight: 'heavy',
  writesTable: true,
  schema: {
    title: 'spark_submit',
    description: 'Runs a Spark application and follows it to its end.',
    type: 'object',
    additionalProperties: false,
    required: ['application'],
    properties: SPARK_PROPERTIES,
  },
  tables(config: SparkSubmitConfig) {
    return { writes: config.writes ?? [] }
  },
  async run(config: SparkSubmitConfig, ctx: OperatorContext): Promise<OperatorResult> {
    ctx.signal.throwIfAborted()
    checkedTable(config.writes ?? [], ctx)
    const target = sparkTarget(config, ctx)
    const defaults = sparkDefaults(target)
    const marker = randomUUID()
    const place = { ...submissionPaths(ctx), marker }
    const submission = submissionOf(config, target, defaults, placeFiles(config, ctx), place, ctx)
    const tables = await versionsNow(config.writes ?? [], ctx)
    const { manager, deployMode, master, eventLog, uiPort } = submission
    const ids = { applicationId: null, submissionId: submission.driver, mainClass: config.class ?? null }
    const start = { host: hostname(), submittedAt: ctx.now() }
    const handle: SparkHandle = { marker, manager, deployMode, master, ...ids, eventLog, uiPort, ...start, tables }
    ctx.log('info', `Submitting to ${master}, deploy mode ${deployMode}.`)
    return result(await runApplication(submission, target, defaults, handle, ctx), handle, config, ctx)
  },
  async reattach(saved: Json, config: SparkSubmitConfig, ctx: OperatorContext): Promise<OperatorResult> {
    ctx.signal.throwIfAborted()
    const handle = readHandle(saved)
    if (handle === null) return sparkSubmit.run(config, ctx)
    const target = sparkTarget(config, ctx)
    if (isUnnamed(handle)) await nameDriver(handle, target, ctx)
    if (await stillCounts(handle, target, ctx)) {
      ctx.log('info', `Following the driver ${handle.submissionId}, which an earlier attempt has submitted.`)
      ctx.log('info', 'Its log stands here from its beginning.')
      return result(await followDriver(handle, target, ctx), handle, config, ctx)
    }
    endLeftBehind(handle, ctx)
    if (handle.manager !== 'standalone') await endOutside(handle, target, ctx)
    return sparkSubmit.run(config, ctx)
  },
  async end(saved: Json, config: SparkSubmitConfig, ctx: EndContext): Promise<void> {
    const handle = readHandle(saved)
    if (handle === null) return
    const target = sparkTarget(config, ctx)
    if (isUnnamed(handle)) {
      await endSubmitter(handle, ctx)
      const { id, doubt } = await findDriver(handle, target, ctx)
      if (doubt !== '') throw new Error(`A driver that was submitted may run: ${doubt}.`)
      if (id === null) return
      handle.submissionId = id
    }
    if (handle.manager === 'standalone' && !(await stillRuns(handle, target, ctx))) return
    endLeftBehind(handle, ctx)
    await endApplication(handle, target, { ...ctx, logDrained: () => Promise.resolve() })
  },
}

/**
 * The worker of an earlier attempt was lost between the submission and the master's answer. What is left of its spark-submit
 * here is ended first, so that it submits nothing after the look.
 */
async function nameDriver(handle: SparkHandle, target: SparkTarget, ctx: OperatorContext): Promise<void> {
  await endSubmitter(handle, ctx)
  const { id, doubt } = await findDriver(handle, target, ctx)
  handle.submissionId = id
  if (id !== null) return
  const here = handle.host === hostname()
  const alive = here ? '' : `its spark-submit, if it still lives on ${handle.host ?? 'another machine'}, may submit one`
  const why = [doubt, alive].filter((part) => part !== '').join('; ')
  if (why === '') ctx.log('info', 'The earlier attempt has submitted no driver.')
  else ctx.log('warn', `A driver of an earlier attempt may run beside the one that is submitted now: ${why}.`)
}

async function stillRuns(handle: SparkHandle, target: SparkTarget, { signal }: EndContext): Promise<boolean> {
  if (handle.submissionId === null) return true
  const { state } = await submissionServer(handle, target).status(handle.submissionId, signal)
  return !isDriverEnd(state)
}

/** Whether an earlier attempt's driver lives, or has finished well, inside a standalone cluster. */
async function stillCounts(handle: SparkHandle, target: SparkTarget, ctx: OperatorContext): Promise<boolean> {
  if (handle.manager !== 'standalone' || handle.submissionId === null) return false
  const { state } = await submissionServer(handle, target).status(handle.submissionId, ctx.signal)
  return !['FAILED', 'KILLED', 'ERROR', 'NOT_FOUND'].includes(state)
}

/** The end of the task: the tables its job has written, the checks on them, and what it measured. */
async function result(
  { figures, failure }: ApplicationEnd,
  handle: SparkHandle,
  config: SparkSubmitConfig,
  ctx: OperatorContext,
): Promise<OperatorResult> {
  const metrics = metricsOf(figures, handle)
  if (failure !== null) {
    // What has ended is not to be followed by the next attempt.
    await ctx.saveHandle(null)
    throw new OperatorFailure(failure, { metrics, commits: await commitsOfFailed(handle, ctx) })
  }
  const commits = await commitsSince(handle.tables, handle.submittedAt, ctx)
  const table = checkedTable(config.writes ?? [], ctx)
  const checks = table === null ? [] : await auditAfterwards(table, { metrics, commits }, ctx)
  const summary = summaryOf(figures, commits)
  ctx.log('info', summary)
  return { outputs: readOutputs(submissionPaths(ctx).outputs), commits, checks, metrics, summary }
}

/** A job may have committed before it failed. What cannot be found out must not hide why it failed. */
async function commitsOfFailed(handle: SparkHandle, ctx: OperatorContext): Promise<Commit[]> {
  try {
    return await commitsSince(handle.tables, handle.submittedAt, ctx)
  } catch (error) {
    ctx.log('warn', `What the job has written before it failed cannot be found out: ${messageOf(error)}`)
    return []
  }
}
