import { SluiceError } from '../../errors.js'
import type { Run } from '../../scheduler/core/model.js'
import { RUN_STATES } from '../../scheduler/core/model.js'
import { isRunState, listRuns } from '../../scheduler/store/reads/run-list.js'
import { type RunTask, runAttempts, runItems, runTask, runTasks } from '../../scheduler/store/reads/run-page.js'
import type { Source } from '../live/topic.js'
import { isOver } from '../present/run-view.js'
import type { Web } from '../web.js'
import { followLog } from './follow-log.js'
import { type ApiRoute, ok } from './route.js'
import { body, schemaRef, TASK_LIST } from './schemas.js'
import { attemptShape, itemShape, runEntry, runShape, taskShape } from './shapes.js'

const ATTEMPT_LIMIT = 1_000
/** Short, because the command line shows progress from it. */
const GATHER_MS = 25

const names = { type: 'array', items: { type: 'string' } }
const runName = { type: 'string' }

export const RUN_ROUTES: ApiRoute[] = [
  {
    method: 'get',
    path: '/runs',
    summary: 'Runs, newest first',
    role: 'viewer',
    query: {
      dag: { type: 'string', description: 'only of this DAG' },
      state: { type: 'string', enum: [...RUN_STATES], description: 'only in this state' },
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100, description: 'at most so many' },
    },
    answers: { 200: { description: 'The runs', schema: { type: 'array', items: schemaRef('RunListEntry') } } },
    async handle(web, _live, call) {
      const state = call.query('state')
      const dagId = call.query('dag') === '' ? null : call.query('dag')
      if (dagId !== null && (await web.deps.store.dag(dagId)) === null)
        throw new SluiceError('DAG_UNKNOWN', `There is no DAG ${dagId}.`)
      const rows = await listRuns(web.deps.database, {
        dagId,
        state: isRunState(state) ? state : null,
        after: null,
        limit: Number(call.query('limit') || 100),
      })
      return ok(rows.map(runEntry))
    },
  },
  {
    method: 'get',
    path: '/runs/{run}',
    summary: 'One run with its tasks, the tables they wrote and what checks said',
    role: 'viewer',
    answers: { 200: { description: 'The run', schema: schemaRef('Run') } },
    async handle(web, _live, call) {
      const { run, tasks } = await loadRun(web, call.param('run'))
      return ok(runShape(run, tasks))
    },
  },
  {
    method: 'get',
    path: '/runs/{run}/events',
    summary: 'Changes of a run as they happen; ends when the run ends',
    role: 'viewer',
    answers: {
      200: {
        description: 'Server-sent events: `task` with a Task, `run` with a RunListEntry, `over` at the end',
        schema: { type: 'string' },
        media: 'text/event-stream',
      },
    },
    async handle(web, live, call) {
      await loadRunOnly(web, call.param('run'))
      await live.stream(call.res, runSource(web, call.param('run')), () => false)
      return 'streamed'
    },
  },
  {
    method: 'post',
    path: '/runs/{run}/cancel',
    summary: 'Cancel a run: what runs is stopped, what waits is not started',
    role: 'operator',
    body: body({}),
    answers: {
      200: {
        description: 'Its state now',
        schema: body({ run: runName, state: { enum: [...RUN_STATES] } }, ['run', 'state']),
      },
    },
    async handle(web, _live, call) {
      await web.deps.commands.cancel(call.param('run'), { user: call.identity.user })
      const run = await loadRunOnly(web, call.param('run'))
      return ok({ run: run.id, state: run.state })
    },
  },
  {
    method: 'post',
    path: '/runs/{run}/clear',
    summary: 'Run tasks again as a new generation: these, or all',
    role: 'operator',
    body: body({ tasks: TASK_LIST, downstream: { type: 'boolean' }, failed_only: { type: 'boolean' } }),
    answers: {
      200: {
        description: 'The tasks that were cleared',
        schema: body({ run: runName, cleared: names }, ['run', 'cleared']),
      },
    },
    async handle(web, _live, call) {
      const { cleared } = await web.deps.commands.clear(
        call.param('run'),
        (call.body.tasks ?? null) as string[] | null,
        { downstream: call.body.downstream === true, failedOnly: call.body.failed_only === true },
        { user: call.identity.user },
      )
      return ok({ run: call.param('run'), cleared })
    },
  },
  {
    method: 'post',
    path: '/runs/{run}/mark',
    summary: 'Set tasks to a final state without running them',
    role: 'operator',
    body: body({ tasks: { ...names, minItems: 1 }, state: { enum: ['success', 'failed', 'skipped'] } }, [
      'tasks',
      'state',
    ]),
    answers: {
      200: {
        description: 'The tasks that were marked',
        schema: body({ run: runName, marked: names }, ['run', 'marked']),
      },
    },
    async handle(web, _live, call) {
      const { tasks, state } = call.body as { tasks: string[]; state: 'success' | 'failed' | 'skipped' }
      const { marked } = await web.deps.commands.mark(call.param('run'), tasks, state, { user: call.identity.user })
      return ok({ run: call.param('run'), marked })
    },
  },
  {
    method: 'get',
    path: '/runs/{run}/tasks/{task}/items',
    summary: 'The items of a task with `for_each`, by their number',
    role: 'viewer',
    query: {
      from: { type: 'integer', minimum: 0, maximum: 10_000, default: 0, description: 'first item' },
      limit: { type: 'integer', minimum: 1, maximum: 1_000, default: 100, description: 'items at most' },
    },
    answers: { 200: { description: 'The items', schema: { type: 'array', items: schemaRef('Item') } } },
    async handle(web, _live, call) {
      const { taskId } = await loadTaskOnly(web, call.param('run'), call.param('task'))
      const page = { from: Number(call.query('from') || 0), limit: Number(call.query('limit') || 100) }
      return ok((await runItems(web.deps.database, call.param('run'), taskId, page)).map(itemShape))
    },
  },
  {
    method: 'get',
    path: '/runs/{run}/tasks/{task}/attempts',
    summary: 'The attempts of one task',
    role: 'viewer',
    answers: { 200: { description: 'The attempts', schema: { type: 'array', items: schemaRef('Attempt') } } },
    async handle(web, _live, call) {
      await loadRunOnly(web, call.param('run'))
      await loadTaskOnly(web, call.param('run'), call.param('task'))
      const attempts = await runAttempts(web.deps.database, call.param('run'), ATTEMPT_LIMIT, call.param('task'))
      return ok(attempts.map(attemptShape))
    },
  },
  {
    method: 'get',
    path: '/runs/{run}/tasks/{task}/attempts/{attempt}/log',
    summary: 'The log of one attempt',
    role: 'viewer',
    query: {
      from: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: 1, description: 'first line' },
      follow: { type: 'string', enum: ['0', '1'], description: '1 keeps the answer open until the attempt ends' },
    },
    answers: {
      200: { description: 'One LogLine a line', schema: schemaRef('LogLine'), media: 'application/x-ndjson' },
    },
    async handle(web, live, call) {
      live.keep(call.res)
      await followLog(web, call)
      return 'streamed'
    },
  },
]

async function loadRunOnly(web: Web, runId: string): Promise<Run> {
  const run = await web.deps.store.run(runId)
  if (run === null) throw new SluiceError('RUN_UNKNOWN', `There is no run ${runId}.`)
  return run
}

/** @throws SluiceError TASK_UNKNOWN */
async function loadTaskOnly(web: Web, runId: string, taskId: string): Promise<RunTask> {
  const task = await runTask(web.deps.database, runId, taskId)
  if (task === null) throw new SluiceError('TASK_UNKNOWN', `The run ${runId} has no task ${taskId}.`)
  return task
}

async function loadRun(web: Web, runId: string) {
  const [run, tasks, lineage] = await Promise.all([
    loadRunOnly(web, runId),
    runTasks(web.deps.database, runId),
    web.deps.store.runLineage(runId),
  ])
  return { run, tasks: tasks.map((task) => taskShape(task, lineage)) }
}

function runSource(web: Web, runId: string): Source {
  return {
    key: `api run ${runId}`,
    async load() {
      const { run, tasks } = await loadRun(web, runId)
      const items = tasks.map((task) => ({ key: `task ${task.task}`, event: 'task', data: JSON.stringify(task) }))
      // the run comes last: whoever hears that it has ended has heard all its tasks
      items.push({ key: 'run', event: 'run', data: JSON.stringify(runEntry({ ...run, runId: run.id })) })
      return { items, over: isOver(run), mark: '' }
    },
    matches: (event) => (event.kind === 'task' || event.kind === 'run') && event.runId === runId,
    gatherMs: GATHER_MS,
    // announcements come from this process only; in a cluster another one may have acted
    everyMs: 5_000,
  }
}
