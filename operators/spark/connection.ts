import { basename, dirname, isAbsolute, join } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import type { SparkSubmitConfig } from './config.js'

/** Where applications go: the connection, with what the task says in its place. */
export interface SparkTarget {
  /** for messages; null without a connection */
  connection: string | null
  /** null leaves it to `spark-defaults.conf`, and that to Spark, which takes `local[*]` */
  master: string | null
  deployMode: 'client' | 'cluster' | null
  /** program name or absolute path of spark-submit */
  submit: string
  /** installation of Spark; null when only the program is known */
  home: string | null
  /** properties of the connection; they may hold secrets */
  conf: Record<string, string>
  /** environment of the processes, secrets resolved */
  env: Record<string, string>
  /** `http://host:port` of a standalone master's submission server; null derives it from the master */
  submissionUrl: string | null
  /** `http://host:port` of a standalone master's web UI; null derives it from the master */
  webUrl: string | null
  /** folder that worker and cluster reach by one path, for event logs of drivers inside the cluster; null for none */
  eventLog: string | null
}

const KEYS = new Set([
  'type',
  'master',
  'deploy_mode',
  'spark_home',
  'submit',
  'conf',
  'env',
  'submission_url',
  'web_url',
  'event_log',
])
const DEFAULT_CONNECTION = 'spark'

/**
 * The target of a task. Without `connection`, the connection named `spark` is taken when sluice.yaml defines one.
 * @throws SluiceError CONNECTION_UNKNOWN, CONFIG_INVALID
 */
export function sparkTarget(config: SparkSubmitConfig, ctx: Pick<OperatorContext, 'connection' | 'env'>): SparkTarget {
  const found = connectionOf(config.connection, ctx)
  const name = found?.name ?? null
  const own: Record<string, unknown> = found?.connection ?? {}
  const text = (key: string): string | null => {
    const value = own[key]
    if (value === undefined || value === null) return null
    if (typeof value !== 'string' || value === '') throw invalid(name, `${key} must be a text`)
    return value
  }
  for (const key of Object.keys(own)) if (!KEYS.has(key)) throw invalid(name, `${key} is not known`)
  const env = { ...ctx.env, ...texts(own.env, 'env', name) }
  const home = text('spark_home') ?? env.SPARK_HOME ?? null
  const submit = text('submit') ?? (home === null ? 'spark-submit' : join(home, 'bin', 'spark-submit'))
  const mode = config.deploy_mode ?? text('deploy_mode')
  if (mode !== null && mode !== 'client' && mode !== 'cluster') throw invalid(name, 'deploy_mode is client or cluster')
  return {
    connection: name,
    master: config.master ?? text('master'),
    deployMode: mode,
    submit,
    home: home ?? homeOf(submit),
    conf: texts(own.conf, 'conf', name),
    env: home === null ? env : { ...env, SPARK_HOME: home },
    eventLog: eventLogFolder(text('event_log'), name),
    submissionUrl: text('submission_url')?.replace(/\/+$/, '') ?? null,
    webUrl: text('web_url')?.replace(/\/+$/, '') ?? null,
  }
}

function eventLogFolder(path: string | null, connection: string | null): string | null {
  if (path === null || isAbsolute(path)) return path
  throw invalid(
    connection,
    `event_log is ${path}; expected the absolute path of a folder that worker and cluster share`,
  )
}

function connectionOf(name: string | undefined, ctx: Pick<OperatorContext, 'connection'>) {
  if (name !== undefined) return typed(name, ctx.connection(name))
  try {
    return typed(DEFAULT_CONNECTION, ctx.connection(DEFAULT_CONNECTION))
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'CONNECTION_UNKNOWN') return null
    throw error
  }
}

function typed(name: string, connection: { type: string; [key: string]: unknown }) {
  if (connection.type === 'spark') return { name, connection }
  throw new SluiceError('CONFIG_INVALID', `The connection ${name} is of type ${connection.type}, not spark.`, {
    hint: 'Name a connection of type spark with `connection`, or mend sluice.yaml.',
    retryable: false,
  })
}

/** `/opt/spark` of `/opt/spark/bin/spark-submit`; null for a name that the PATH resolves. */
function homeOf(submit: string): string | null {
  return isAbsolute(submit) && basename(dirname(submit)) === 'bin' ? dirname(dirname(submit)) : null
}

function texts(value: unknown, key: string, connection: string | null): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(connection, `${key} must be a map`)
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]))
}

function invalid(name: string | null, what: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', `sluice.yaml: connections.${name ?? '?'}: ${what}.`, { retryable: false })
}
