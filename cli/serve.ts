import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import pino from 'pino'
import { SluiceError } from '../errors.js'
import type { Config } from '../scheduler/config.js'
import { type Embedded, startEmbedded } from '../scheduler/embedded.js'
import { resolveSecrets } from '../scheduler/secrets.js'
import { createApiToken, createLoginLink, revokeApiToken } from '../webserver/auth/secrets.js'
import type { WebDeps } from '../webserver/deps.js'
import { Client } from './client.js'
import { isOwn, isRunning, readInstance, removeInstance, writeInstance } from './instance.js'
import { ensureWritable } from './writable.js'

export interface ServeOptions {
  config: Config
  host: string
  /** 0 for any free one */
  port: number
  /** tasks at once */
  workers: number
  /** false makes no runs by schedule: for the duration of one run by hand */
  schedules: boolean
}

/** Sluice in this process, reachable as any other. */
export interface Serving {
  /** for people, e.g. `http://localhost:8080` */
  url: string
  /** logs in once, as admin */
  loginLink: string
  client: Client
  stop(): Promise<void>
}

/** Who acts when a command does; every command leaves an audit row. */
const CLI_USER = 'cli'
const ADMIN_USER = 'admin'

/**
 * Starts scheduler, workers and web view on a project and leaves `.sluice/instance.json` for other commands.
 * @throws SluiceError STORE_LOCKED when one runs already, NOT_WRITABLE, PORT_IN_USE
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { config } = options
  const leftToken = refuseSecond(config.project)
  if (statSync(config.dags, { throwIfNoEntry: false })?.isDirectory() !== true) throw noDags(config)
  // Before anything starts: a start that is refused must not have taken over the work of another.
  await portIsFree(options.host, options.port)
  for (const folder of foldersOf(config)) await ensureWritable(folder)
  const { workers, schedules } = options
  const log = serviceLog(schedules ? 'info' : 'warn')
  const starting = startEmbedded({ config, workers, schedules, log })
  const loading = import('../webserver/app.js')
  // loaded while the store opens and awaited below, where what has been started is also closed again
  loading.catch(() => undefined)
  const embedded = await starting
  void embedded.broken.then((error) => endWithoutStore(config, log, error))
  try {
    const { store } = embedded
    const { startWeb } = await loading
    const web = await startWeb({ deps: webDeps(config, embedded), host: options.host, port: options.port })
    try {
      const now = Date.now()
      await store.saveUser(ADMIN_USER, 'admin', now)
      await store.saveUser(CLI_USER, 'admin', now)
      if (leftToken !== null) await revokeApiToken(store, leftToken)
      const token = await createApiToken(store, CLI_USER, now)
      const loginLink = await createLoginLink(store, ADMIN_USER, config.baseUrl ?? web.url, now)
      await writeInstance(config.project, { url: web.url, token })
      const stop = async () => {
        removeInstance(config.project)
        await web.close()
        await revokeApiToken(store, token)
        await embedded.close()
      }
      return { url: web.url, loginLink, client: new Client({ url: web.url, token }), stop }
    } catch (error) {
      await web.close()
      throw error
    }
  } catch (error) {
    await embedded.close()
    throw error
  }
}

/** A Sluice without its store can promise nothing; the next start takes over what this one held. */
function endWithoutStore(config: Config, log: pino.Logger, error: Error): never {
  log.fatal({ err: error }, 'the store has crashed; nothing acknowledged is lost, start Sluice again')
  removeInstance(config.project)
  process.exit(1)
}

/** What the web view is given, embedded or as a part of a cluster. */
export function webDeps(
  config: Config,
  {
    store,
    database,
    commands,
    events,
    logs,
    tables,
  }: Pick<Embedded, 'store' | 'database' | 'commands' | 'events' | 'logs' | 'tables'>,
): WebDeps {
  const { baseUrl, project } = config
  const metricsToken = process.env.SLUICE_METRICS_TOKEN
  const web = { baseUrl, project, ...(metricsToken ? { metricsToken } : {}) }
  const webhookSecret = (name: string) => secretOfWebhook(config, name)
  return { store, database, commands, events, logs, tables, webhookSecret, config: web, now: Date.now }
}

/** The secret that deliveries over a connection are signed with, from this process's environment. */
function secretOfWebhook({ project, connections }: Config, name: string): string | null {
  const connection = Object.hasOwn(connections, name) ? connections[name] : undefined
  if (connection?.type !== 'incoming_webhook') return null
  const source = { env: process.env, folder: project }
  const resolved = resolveSecrets(connection, source, `sluice.yaml: connections.${name}`, () => undefined)
  return String(resolved.secret)
}

/** JSON lines on stderr, apart from what the command prints. */
export function serviceLog(level: string): pino.Logger {
  return pino({ name: 'sluice', level: process.env.SLUICE_LOG_LEVEL ?? level }, pino.destination(2))
}

/** @returns the token that a Sluice which was killed left behind, or null */
function refuseSecond(project: string): string | null {
  const instance = readInstance(project)
  if (instance === null) return null
  // one that runs elsewhere is met by the store's own lock
  if (isRunning(instance) !== true || isOwn(instance)) return instance.token
  throw new SluiceError(
    'STORE_LOCKED',
    `Sluice already runs on ${project}: ${instance.url}, process ${instance.pid}.`,
    { hint: 'Use that one, stop it, or give this one another --project.' },
  )
}

function noDags(config: Config): SluiceError {
  return new SluiceError('CONFIG_INVALID', `There is no DAGs folder ${config.dags}.`, {
    hint: 'Create it, name another one with `dags:` in sluice.yaml, or name another project with --project.',
  })
}

/** The store's own folder is made by the store, which is careful with a first start that was interrupted. */
function foldersOf(config: Config): string[] {
  const isFolder = !/^[a-z]+:\/\//.test(config.store)
  return [
    join(config.project, '.sluice'),
    ...(isFolder ? [dirname(config.store)] : []),
    ...(config.logs.connection === null ? [config.logs.location] : []),
  ]
}

/**
 * Resolves when the port can be listened on at this moment; it is not held. 0 is free always.
 * @throws SluiceError PORT_IN_USE, WRONG_USE for an address that this machine does not have
 */
export async function portIsFree(host: string, port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause: NodeJS.ErrnoException) => reject(portError(cause, host, port)))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })
}

function portError(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  const error = (code: 'PORT_IN_USE' | 'WRONG_USE', message: string, hint?: string) =>
    new SluiceError(code, message, hint === undefined ? { cause } : { cause, hint })
  if (cause.code === 'EADDRINUSE') return error('PORT_IN_USE', `Another program listens on port ${port} of ${host}.`)
  if (cause.code === 'EACCES')
    return error('PORT_IN_USE', `This user may not listen on port ${port}.`, 'Choose a port above 1023 with --port.')
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND')
    return error('WRONG_USE', `This machine has no address ${host}.`, 'Give --host an address of this machine.')
  return cause
}
