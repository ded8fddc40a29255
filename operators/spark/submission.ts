import { join } from 'node:path'
import { SluiceError } from '../../errors.js'
import { isoInstant } from '../../json.js'
import type { OperatorContext } from '../operator.js'
import type { SparkSubmitConfig } from './config.js'
import type { SparkTarget } from './connection.js'
import type { SparkDefaults } from './defaults.js'
import type { SparkFiles } from './files.js'
import { SUBMISSION_PROPERTY } from './handle.js'

export type ClusterManager = 'local' | 'standalone' | 'yarn' | 'kubernetes'

/** One start of spark-submit, as data. */
export interface Submission {
  argv: string[]
  /** properties that must not stand in the process list; null for none. They go into a file that `argv` names. */
  properties: Record<string, string> | null
  master: string
  manager: ClusterManager
  deployMode: 'client' | 'cluster'
  /** the driver's id inside the cluster, where it is Sluice that names it; null where the cluster does */
  driver: string | null
  /** folder of the application's event log, when it is ours to read */
  eventLog: string | null
  /** null when the driver has no pages we may ask */
  uiPort: number | null
}

/** What a submission has of its own: paths inside the attempt's private folder, and a mark that tells it from all others. */
export interface SubmissionPlace {
  properties: string
  eventLog: string
  marker: string
}

const DEFAULT_UI_PORT = 4040

/**
 * Builds the command line. Later words win in Spark: defaults of the installation, then the connection, then the task;
 * `spark.sluice.*` is always Sluice's own.
 * @throws SluiceError OPERATOR_FAILED for combinations that Spark refuses only after a minute of starting
 */
export function submissionOf(
  config: SparkSubmitConfig,
  target: SparkTarget,
  defaults: SparkDefaults,
  files: SparkFiles,
  place: SubmissionPlace,
  ctx: OperatorContext,
): Submission {
  const configured = (key: string): string | undefined =>
    config.conf?.[key] === undefined ? (target.conf[key] ?? defaults.properties[key]) : String(config.conf[key])
  const master = target.master ?? configured('spark.master') ?? 'local[*]'
  const manager = managerOf(master)
  const deployMode = (target.deployMode ?? configured('spark.submit.deployMode')) === 'cluster' ? 'cluster' : 'client'
  refuseImpossible(manager, deployMode, files.application)
  const name = config.name ?? `${ctx.dag.id}.${ctx.task.id}`
  const eventLog = hasOwnEventLog(configured) ? null : eventLogFolder(deployMode, target, place)
  const ours = {
    'spark.ui.showConsoleProgress': 'false',
    ...(eventLog === null ? {} : eventLogConf(eventLog)),
    ...commitConf(ctx),
  }
  const { conf: marks, driver } = markedFor(manager, deployMode, { name, marker: place.marker }, configured)
  const conf = {
    ...Object.fromEntries(Object.entries(ours).filter(([key]) => configured(key) === undefined)),
    ...texts(config.conf),
    ...marks,
    ...runConf(ctx),
    [SUBMISSION_PROPERTY]: place.marker,
  }
  const environment = deployMode === 'cluster' ? driverEnvironment(manager, target.env) : {}
  const hidden = { ...target.conf, ...environment }
  const properties = Object.keys(hidden).length === 0 ? null : hidden
  // The pages of a driver inside a standalone cluster are on the machine that the master names.
  const ui = configured('spark.ui.enabled') !== 'false' && (deployMode === 'client' || manager === 'standalone')
  return {
    argv: [
      target.submit,
      ...['--master', master, '--deploy-mode', deployMode, '--name', name],
      ...(properties === null ? [] : ['--properties-file', place.properties]),
      ...options(config, files),
      ...Object.entries(conf).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
      files.application,
      ...(config.args ?? []),
    ],
    properties,
    master,
    manager,
    deployMode,
    driver,
    eventLog,
    uiPort: ui ? Number(configured('spark.ui.port') ?? DEFAULT_UI_PORT) || null : null,
  }
}

const POD_NAME = 'spark.kubernetes.driver.pod.name'
const YARN_TAGS = 'spark.yarn.tags'
/** A pod's name is a host name too. */
const MAX_HOST_NAME = 63

/** The tag by which YARN finds the application of a submission: `yarn application -list -appTags …`. */
export function yarnTag(marker: string): string {
  return `sluice-${marker}`
}

/**
 * What makes an application known to its cluster by its submission, before the cluster has answered with an id: a tag in
 * YARN, beside those that are configured; a label, and a name of the pod where nobody has chosen one, in Kubernetes.
 */
function markedFor(
  manager: ClusterManager,
  deployMode: string,
  { name, marker }: { name: string; marker: string },
  configured: (key: string) => string | undefined,
): { conf: Record<string, string>; driver: string | null } {
  if (manager === 'yarn') {
    const tags = [configured(YARN_TAGS), yarnTag(marker)].filter((tag) => tag !== undefined && tag !== '')
    return { conf: { [YARN_TAGS]: tags.join(',') }, driver: null }
  }
  if (manager !== 'kubernetes' || deployMode !== 'cluster') return { conf: {}, driver: null }
  const conf = { 'spark.kubernetes.driver.label.sluice-submission': marker }
  // Two submissions may be given the same name: it tells nothing.
  if (configured(POD_NAME) !== undefined) return { conf, driver: null }
  const words = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
  const pod = `${words.slice(0, MAX_HOST_NAME - marker.length - 1)}-${marker}`.replace(/^-/, 'd-')
  const namespace = configured('spark.kubernetes.namespace') ?? 'default'
  return { conf: { ...conf, [POD_NAME]: pod }, driver: `${namespace}:${pod}` }
}

function managerOf(master: string): ClusterManager {
  if (master.startsWith('spark://')) return 'standalone'
  if (master.startsWith('k8s://')) return 'kubernetes'
  return master === 'yarn' ? 'yarn' : 'local'
}

function refuseImpossible(manager: ClusterManager, deployMode: string, application: string): void {
  if (deployMode === 'client') return
  const refuse = (message: string, hint: string): never => {
    throw new SluiceError('OPERATOR_FAILED', message, { hint, retryable: false })
  }
  if (manager === 'local') {
    refuse('deploy_mode cluster needs a cluster, and the master is local.', 'Use deploy_mode client, or name a master.')
  }
  if (manager === 'standalone' && application.endsWith('.py')) {
    const message = 'A standalone cluster runs no Python application in deploy_mode cluster.'
    refuse(message, 'Use deploy_mode client, which runs the driver on the worker.')
  }
}

/** A driver on this machine writes beside us; one inside a cluster where the connection says that both can reach. */
function eventLogFolder(deployMode: string, target: SparkTarget, place: SubmissionPlace): string | null {
  if (deployMode === 'client') return place.eventLog
  return target.eventLog === null ? null : join(target.eventLog, place.marker)
}

/** A team's history server keeps its log; so does who has switched the log off. */
function hasOwnEventLog(configured: (key: string) => string | undefined): boolean {
  return configured('spark.eventLog.dir') !== undefined || configured('spark.eventLog.enabled') !== undefined
}

/** One plain file that can be read while it grows. */
function eventLogConf(folder: string): Record<string, string> {
  return {
    'spark.eventLog.enabled': 'true',
    'spark.eventLog.dir': `file://${folder}`,
    'spark.eventLog.compress': 'false',
    'spark.eventLog.rolling.enabled': 'false',
  }
}

/** Makes each commit of the job say who made it: Delta in its commit info, Iceberg in its snapshot summary. */
function commitConf(ctx: OperatorContext): Record<string, string> {
  const origin = { dag: ctx.dag.id, run: ctx.run.id, task: ctx.task.id, attempt: ctx.task.attempt, token: ctx.token }
  const conf: Record<string, string> = {
    'spark.databricks.delta.commitInfo.userMetadata': JSON.stringify({ sluice: origin }),
  }
  for (const [key, value] of Object.entries(origin)) {
    conf[`spark.sql.iceberg.snapshot-property.sluice.${key}`] = String(value)
  }
  return conf
}

/** What a job may ask of its run: `spark.conf.get("spark.sluice.token")`. */
function runConf(ctx: OperatorContext): Record<string, string> {
  return {
    'spark.sluice.dag': ctx.dag.id,
    'spark.sluice.run_id': ctx.run.id,
    'spark.sluice.task': ctx.task.id,
    'spark.sluice.attempt': String(ctx.task.attempt),
    'spark.sluice.token': ctx.token,
    ...intervalConf(ctx),
  }
}

/** Kept from tasks whose environment keeps it from them: they name what they go by (`skip_if_done`). */
function intervalConf({ env, run }: OperatorContext): Record<string, string> {
  if (env.SLUICE_INTERVAL_START === undefined) return {}
  return {
    'spark.sluice.interval_start': isoInstant(run.intervalStart),
    'spark.sluice.interval_end': isoInstant(run.intervalEnd),
  }
}

/** Of the worker's own machine, and of no use on another. */
const OF_THE_WORKER = /^(PATH|HOME|LANG|LC_.*|TZ|TMPDIR|USER|LOGNAME|SSL_CERT_FILE|SLUICE_CLAIM|SLUICE_INSTANCE)$/

const DRIVER_ENVIRONMENT: Partial<Record<ClusterManager, string>> = {
  yarn: 'spark.yarn.appMasterEnv.',
  kubernetes: 'spark.kubernetes.driverEnv.',
}

/** The task's environment as properties, for a driver that starts inside the cluster. */
function driverEnvironment(manager: ClusterManager, env: Record<string, string>): Record<string, string> {
  const prefix = DRIVER_ENVIRONMENT[manager]
  // A standalone master takes none but those named SPARK_*: there the job reads `spark.sluice.*`.
  if (prefix === undefined) return {}
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (OF_THE_WORKER.test(name) ? [] : [[`${prefix}${name}`, value]])),
  )
}

/** By these a worker finds what a claim, or its own predecessor, has left running on its machine. */
const MARKS_OF_THE_WORKER = /^(SLUICE_CLAIM|SLUICE_INSTANCE)$/

/**
 * The environment of spark-submit. A standalone master may hand all of it on to the driver, and the cluster may run that
 * driver on the worker's own machine: it outlives the worker, which must not end it as a process left behind.
 */
export function submitterEnvironment(
  { manager, deployMode }: Pick<Submission, 'manager' | 'deployMode'>,
  env: Record<string, string>,
): Record<string, string> {
  if (manager !== 'standalone' || deployMode !== 'cluster') return env
  return Object.fromEntries(Object.entries(env).filter(([name]) => !MARKS_OF_THE_WORKER.test(name)))
}

function options(config: SparkSubmitConfig, files: SparkFiles): string[] {
  const one = (flag: string, value: string | number | undefined) => (value === undefined ? [] : [flag, String(value)])
  const list = (flag: string, values: readonly string[] | undefined) =>
    values === undefined || values.length === 0 ? [] : [flag, values.join(',')]
  return [
    ...one('--class', config.class),
    ...list('--packages', config.packages),
    ...list('--repositories', config.repositories),
    ...list('--jars', files.jars),
    ...list('--py-files', files.pyFiles),
    ...list('--files', files.files),
    ...one('--driver-memory', config.driver_memory),
    ...one('--driver-cores', config.driver_cores),
    ...one('--executor-memory', config.executor_memory),
    ...one('--executor-cores', config.executor_cores),
    ...one('--total-executor-cores', config.total_executor_cores),
    ...one('--num-executors', config.num_executors),
    ...one('--queue', config.queue),
  ]
}

function texts(conf: SparkSubmitConfig['conf']): Record<string, string> {
  return Object.fromEntries(Object.entries(conf ?? {}).map(([key, value]) => [key, String(value)]))
}
