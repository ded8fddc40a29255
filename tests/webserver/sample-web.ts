import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { TableSummary, Tables, TableVersion } from '../../lakehouse/lakehouse.js'
import { createCommands } from '../../scheduler/commands/create.js'
import type { Commands } from '../../scheduler/commands.js'
import * as timetable from '../../scheduler/dag/schedule.js'
import { Events } from '../../scheduler/events.js'
import type { Missed } from '../../scheduler/loop/catchup.js'
import { RecordedTables } from '../../scheduler/recorded-tables.js'
import type { LogLine } from '../../scheduler/shapes.js'
import type { Role } from '../../scheduler/store/account-store.js'
import type { Database, SqlStatement } from '../../scheduler/store/database.js'
import { openStore } from '../../scheduler/store/open-store.js'
import type { Store } from '../../scheduler/store/store.js'
import { FolderLogStore, logPath } from '../../scheduler/worker/log-folder.js'
import { AttemptLogs } from '../../scheduler/worker/log-reader.js'
import { type RunningWeb, startWeb } from '../../webserver/app.js'
import { createApiToken, createLoginLink } from '../../webserver/auth/secrets.js'
import type { WebDeps } from '../../webserver/deps.js'
import { giveStore } from '../scheduler/store/pglite-folder.js'
import { LIVE_RUN, NOW } from './sample-store.js'

const NOTHING_MISSED = { count: 0, first: null, last: null, makes: 0 }
const PREVIEW = { slots: 3, good: 1, failed: 1, missing: 1, makes: 2, first: null, last: null, maxActive: 1 }

/** A web server on a real store in a folder of its own; only what lies behind commands, logs and tables is made up. */
export class SampleWeb {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-web-'))
  readonly events = new Events()
  /** the calls that reached the commands, as `name(arguments)` */
  /** what every paused DAG has missed */
  missed: Missed = NOTHING_MISSED
  readonly calls: unknown[][] = []
  readonly tables = new Map<string, { summary: TableSummary; versions: TableVersion[] }>()
  /** what the pages asked the database, besides what the store did */
  readonly statements: SqlStatement[] = []
  now = NOW
  store!: Store
  database!: Database
  web!: RunningWeb

  async open(): Promise<this> {
    const folder = join(this.folder, 'store')
    await giveStore(folder)
    const { store, database } = await openStore(folder, this.now)
    this.store = store
    this.database = database
    for (const role of ['viewer', 'operator', 'admin'] as const) await store.saveUser(`a_${role}`, role, this.now)
    return this
  }

  async start(config: Partial<WebDeps['config']> = {}): Promise<this> {
    this.web = await startWeb({ deps: this.deps(config), host: '127.0.0.1', port: 0 })
    return this
  }

  async close(): Promise<void> {
    await this.web?.close()
    await this.store?.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  deps(config: Partial<WebDeps['config']> = {}): WebDeps {
    const { database, statements } = this
    return {
      store: this.store,
      database: {
        exclusive: database.exclusive,
        query: (sql, params = []) => {
          statements.push({ sql, params })
          return database.query(sql, params)
        },
        transaction: (all) => {
          statements.push(...all)
          return database.transaction(all)
        },
        loneOr: (lone, general) => {
          statements.push(lone, ...general)
          return database.loneOr(lone, general)
        },
        close: () => database.close(),
      },
      commands: this.#commands(),
      events: this.events,
      logs: new AttemptLogs(new FolderLogStore(join(this.folder, 'logs')), this.events),
      tables: new RecordedTables(this.#tables(), database, ['lake']),
      config: { baseUrl: null, project: '/srv/project', ...config },
      now: () => this.now,
    }
  }

  /** Logs in through a link as a browser does; the value is the Cookie header. */
  async login(role: Role): Promise<string> {
    const link = await createLoginLink(this.store, `a_${role}`, this.web.url, this.now)
    const response = await fetch(link, { redirect: 'manual' })
    return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  }

  async token(role: Role): Promise<string> {
    return createApiToken(this.store, `a_${role}`, this.now)
  }

  /** Appends lines to the log of an attempt, as a worker does, and says so. */
  say(runId: string, taskId: string, attempt: number, lines: Omit<LogLine, 'line'>[], first = 1): void {
    const file = logPath(join(this.folder, 'logs'), { runId, taskId, attempt })
    mkdirSync(dirname(file), { recursive: true })
    appendFileSync(file, lines.map((line, place) => `${JSON.stringify({ line: first + place, ...line })}\n`).join(''))
    this.events.emit({ kind: 'log', runId, taskId, attempt, lines: lines.length })
  }

  get(path: string, cookie = '', headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.web.url}${path}`, { redirect: 'manual', headers: { cookie, ...headers } })
  }

  async page(path: string, cookie: string): Promise<string> {
    const response = await this.get(path, cookie)
    if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${response.statusText}`)
    return response.text()
  }

  /** Sends a form as the page `from` holds it: with its token. */
  async post(path: string, cookie: string, fields: Record<string, string> = {}, from = '/account'): Promise<Response> {
    const csrf = /name="csrf" value="([^"]+)"/.exec(await this.page(from, cookie))?.[1] ?? ''
    return this.send(path, cookie, { csrf, ...fields })
  }

  send(
    path: string,
    cookie: string,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.web.url}${path}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, ...headers },
      body: new URLSearchParams(fields),
    })
  }

  /** Those about alerts are the real ones: all they touch is the store. */
  #alertCommands() {
    const { acknowledgeAlerts, muteAlerts, endMute, retryMessage, testAlert } = createCommands({
      store: this.store,
      wake: { run: () => {}, all: () => {}, now: () => this.now },
      queue: { stop: async () => {} },
      events: this.events,
      timetable,
      random: () => 0,
    })
    return { acknowledgeAlerts, muteAlerts, endMute, retryMessage, testAlert }
  }

  #commands(): Commands {
    const record = (name: string, args: unknown[]) => this.calls.push([name, ...args])
    return {
      trigger: async (dagId, options, actor, key) => {
        record('trigger', [dagId, options, actor, key])
        const repeated =
          key !== null && this.calls.filter((call) => call[0] === 'trigger' && call[4] === key).length > 1
        return { run: `${dagId}-20261120T054112000Z-manual`, repeated }
      },
      deliver: async (dagId, delivery) => {
        record('deliver', [dagId, delivery])
        const same = ([name, , other]: unknown[]) => name === 'deliver' && (other as typeof delivery).id === delivery.id
        return { run: `${dagId}-20261120T054112000Z-webhook`, repeated: this.calls.filter(same).length > 1 }
      },
      clear: async (...args) => {
        record('clear', args)
        return { cleared: args[1] ?? ['all'] }
      },
      clearRuns: async (...args) => {
        record('clearRuns', args)
        return { cleared: [{ run: 'orders_daily-20261119T050000Z', tasks: args[2] ?? ['all'] }], next: null }
      },
      mark: async (...args) => {
        record('mark', args)
        return { marked: args[1] }
      },
      cancel: async (...args) => void record('cancel', args),
      cancelTask: async (...args) => void record('cancelTask', args),
      approve: async (...args) => void record('approve', args),
      pause: async (...args) => void record('pause', args),
      resume: async (...args) => {
        record('resume', args)
        return NOTHING_MISSED
      },
      missed: async () => this.missed,
      previewBackfill: async (...args) => {
        record('previewBackfill', args)
        return PREVIEW
      },
      startBackfill: async (...args) => {
        record('startBackfill', args)
        return { id: 1, preview: PREVIEW, repeated: false }
      },
      pauseBackfill: async (...args) => void record('pauseBackfill', args),
      resumeBackfill: async (...args) => void record('resumeBackfill', args),
      cancelBackfill: async (...args) => {
        record('cancelBackfill', args)
        return { cancelled: [] }
      },
      ...this.#alertCommands(),
    }
  }

  #tables(): Tables {
    const of = (table: string) => {
      const found = this.tables.get(table.replace(/^lake\./, ''))
      if (found === undefined) throw new SluiceError('TABLE_UNKNOWN', `There is no table ${table}.`)
      return found
    }
    return {
      tables: async () => [...this.tables.values()].map(({ summary }) => summary),
      summary: async (table) => of(table).summary,
      versions: async (table, { limit, before }) =>
        of(table)
          .versions.filter(({ version }) => before === undefined || version < before)
          .slice(0, limit),
      schema: async (table) => {
        of(table)
        return [
          { name: 'order_id', type: 'long', nullable: false },
          { name: 'net_amount', type: 'decimal(38,2)', nullable: true },
        ]
      },
      remembersSince: () => Promise.reject(new Error('no page asks for it')),
      rollback: async (table, version, info) => {
        this.calls.push(['rollback', table, version, info])
        const next = of(table).summary.version + 1
        return {
          table,
          versionBefore: next - 1,
          version: next,
          operation: 'RESTORE',
          rowsAdded: 0,
          rowsUpdated: 0,
          rowsRemoved: 5,
          rowsTotal: 10,
          bytes: 10,
          committedAt: this.now,
        }
      },
    }
  }
}

/** Tables as the sample runs wrote them. */
export function sampleTables(web: SampleWeb): void {
  // the newest version of each, and when the live run has made it
  for (const [table, last, newestAt] of [
    ['silver.orders', 412, LIVE_RUN.dueAt + 813_000],
    ['gold.revenue', 389, LIVE_RUN.dueAt + 981_000],
    ['bronze.customers', 406, LIVE_RUN.dueAt + 39_000],
    ['bronze.orders', 1205, LIVE_RUN.dueAt + 113_000],
    ['bronze.lines', 1205, LIVE_RUN.dueAt + 251_000],
    ['silver.customers', 407, LIVE_RUN.dueAt + 126_000],
    ['silver.returns', 388, NOW - 28 * 60_000],
  ] as const) {
    const versions = Array.from(
      { length: 30 },
      (_, back): TableVersion => ({
        version: last - back,
        committedAt: newestAt - back * 86_400_000,
        operation: back === 6 ? 'RESTORE' : 'MERGE',
        rowsAdded: back === 6 ? 0 : 40_000 + back,
        rowsUpdated: 200 + back,
        rowsRemoved: back === 6 ? 45_318 : 0,
        run: back === 0 || back === 6 ? null : null,
        task: null,
        attempt: null,
        user: back === 6 ? 'lena' : null,
        reason: back === 6 ? 'feed of store 14 came twice' : '',
        token: null,
      }),
    )
    web.tables.set(table, {
      summary: {
        table,
        format: 'delta',
        location: `/srv/project/data/lake/${table.replace('.', '/')}`,
        version: last,
        lastNumber: last,
        rows: 8_412_903,
        bytes: 18_400_000_000,
        files: 412,
        partitionBy: table === 'silver.orders' ? ['order_month'] : [],
        changedAt: NOW - 28 * 60_000,
      },
      versions,
    })
  }
}
