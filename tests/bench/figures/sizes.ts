import { PostgresDatabase } from '../../../scheduler/store/postgres.js'
import { Cluster, type Part } from '../../stack/cluster/cluster.js'
import { OwnPostgres } from '../../stack/cluster/own-postgres.js'
import { OwnRedis } from '../../stack/cluster/own-redis.js'
import type { Figure, Measurement } from '../figure.js'
import { processTree, pssMb } from '../processes.js'
import { fanDag } from '../shapes-of-dags.js'

/** Runs before a size is taken for the first time: indexes and free space are those of a store in use by then. */
const WARM_RUNS = 3
const RUNS = 6
const BASH_TASKS = 502
const SQL_TASKS = 50
const TALKING_TASKS = 20
const LINES = 100

/** Tasks that each write a table behind two checks, as an attempt of a pipeline does. */
function sqlDag(): string {
  const tasks = Array.from({ length: SQL_TASKS }, (_, n) => {
    const sql = `query: "select range as id, 'x' as name from range(1000)", to: bronze.t${n}`
    return `  t${n}: { sql: { ${sql} }, checks: [{ not_null: [id] }, { unique: [id] }] }`
  })
  return `dag: sqls\nmax_active_tasks: ${SQL_TASKS}\ntasks:\n${tasks.join('\n')}\n`
}

/** Tasks that print lines of 80 characters. */
function talkingDag(): string {
  const tasks = Array.from({ length: TALKING_TASKS }, (_, n) => {
    return `  t${n}: { bash: "for n in $(seq ${LINES}); do printf '%080d\\\\n' $n; done" }`
  })
  return `dag: talking\ntasks:\n${tasks.join('\n')}\n`
}

/** What a cluster takes of memory and disk, by which docs/guides/cluster.md tells sizes. */
export const sizes: Measurement = {
  id: 'sizes',
  async run() {
    const postgres = await OwnPostgres.start()
    const redis = await OwnRedis.start()
    const where = { postgres: postgres.url, redis: redis.url }
    const files = {
      'dags/fan.yaml': fanDag(BASH_TASKS - 2),
      'dags/sqls.yaml': sqlDag(),
      'dags/talking.yaml': talkingDag(),
    }
    try {
      const cluster = await Cluster.create(where, files)
      try {
        return await sizesOf(cluster, redis)
      } finally {
        await cluster.remove()
      }
    } finally {
      await redis.down()
      await postgres.remove()
    }
  },
}

async function sizesOf(cluster: Cluster, redis: OwnRedis): Promise<Figure[]> {
  const webserver = await cluster.start('webserver')
  const scheduler = await cluster.start('scheduler')
  const worker = await cluster.start('worker', '--slots', '4')
  for (const dag of ['fan', 'sqls', 'talking']) await cluster.knows(dag)
  const store = await PostgresDatabase.open(cluster.storeUrl, { connections: 1 })
  const most = new MostMemory({ webserver, scheduler, worker })
  try {
    const light = await growth(cluster, store, 'fan', BASH_TASKS)
    const heavy = await growth(cluster, store, 'sqls', SQL_TASKS)
    const talking = await growth(cluster, store, 'talking', TALKING_TASKS)
    return [
      perTaskRun('that runs `bash: ["true"]`', light, BASH_TASKS, 1_500),
      perTaskRun('that writes a table behind two checks', heavy, SQL_TASKS, 3_000),
      linesFigure(talking.logBytes / LINES),
      ...most.figures(),
      await redisFigure(redis),
    ]
  } finally {
    most.stop()
    await store.close()
  }
}

interface Growth {
  storeBytes: number
  logBytes: number
}

/** What the store and the logs grow by for each task run, once some runs have been. */
async function growth(cluster: Cluster, store: PostgresDatabase, dag: string, tasks: number): Promise<Growth> {
  const run = async (times: number) => {
    for (let round = 0; round < times; round++) {
      const states = await cluster.ended([await cluster.trigger(dag)], 300_000)
      if ([...states.values()].some((state) => state !== 'success')) throw new Error(`a run of ${dag} failed`)
    }
  }
  await run(WARM_RUNS)
  const before = await storeBytes(store)
  await run(RUNS)
  const after = await storeBytes(store)
  const [logs] = await store.query<{ bytes: number }>(
    'select avg(a.log_bytes)::float8 as bytes from attempts a join runs r using (run_id) where r.dag_id = $1',
    [dag],
  )
  return { storeBytes: (after - before) / (RUNS * tasks), logBytes: logs?.bytes ?? 0 }
}

/** Tables with their indexes; what an update has left behind counts until PostgreSQL uses its place again. */
async function storeBytes(store: PostgresDatabase): Promise<number> {
  await store.query('vacuum analyze')
  const [size] = await store.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(oid))::float8 as bytes from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace`,
  )
  return size?.bytes ?? Number.NaN
}

function perTaskRun(which: string, { storeBytes, logBytes }: Growth, tasks: number, bar: number): Figure {
  return {
    name: `PostgreSQL and logs for each task run ${which}`,
    bar: `<= ${bar.toLocaleString('en')} bytes of PostgreSQL`,
    measured: `${storeBytes.toFixed(0)} bytes, and ${logBytes.toFixed(0)} of logs`,
    met: storeBytes <= bar,
    method: `tables and indexes, vacuumed, before and after ${RUNS} runs of ${tasks} tasks of one attempt each, ${WARM_RUNS} runs having been before; logs as their attempts say`,
  }
}

function linesFigure(bytes: number): Figure {
  return {
    name: 'logs for each line of 80 characters that a task prints',
    bar: '<= 200 bytes',
    measured: `${bytes.toFixed(0)} bytes`,
    met: bytes <= 200,
    method: `tasks that print ${LINES} such lines, and what their attempts say of their logs`,
  }
}

/** Looks at the memory of parts again and again. */
class MostMemory {
  readonly #most = new Map<string, number>()
  readonly #timer: NodeJS.Timeout

  constructor(private readonly parts: Record<string, Part>) {
    this.#timer = setInterval(() => this.#look(), 1_000)
  }

  figures(): Figure[] {
    const bars: Record<string, number> = { scheduler: 200, webserver: 200, worker: 600 }
    return [...this.#most].map(([name, mb]) => ({
      name: `memory of a ${name} at work`,
      bar: `<= ${bars[name]} MB`,
      measured: `at most ${mb.toFixed(0)} MB`,
      met: mb <= (bars[name] ?? 0),
      method: `PSS with all its processes, looked at each second during the runs above; one scheduler, one web server, one worker of 4 slots whose SQL tasks are small`,
    }))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    for (const [name, part] of Object.entries(this.parts)) {
      try {
        this.#most.set(name, Math.max(this.#most.get(name) ?? 0, pssMb(processTree(part.pid))))
      } catch {
        // a process has ended between the two looks
      }
    }
  }
}

async function redisFigure(redis: OwnRedis): Promise<Figure> {
  const info = await redis.ask((connection) => connection.info('memory'))
  const mb = Number(/^used_memory_peak:(\d+)/m.exec(info)?.[1] ?? Number.NaN) / 2 ** 20
  return {
    name: 'memory of Redis',
    bar: '<= 16 MB',
    measured: `at most ${mb.toFixed(1)} MB`,
    met: mb <= 16,
    method: '`used_memory_peak` after the runs above, with up to 502 tasks ready at once',
  }
}
