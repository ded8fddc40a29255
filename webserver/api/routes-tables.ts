import { rollBack } from '../rollback.js'
import { type ApiRoute, ok } from './route.js'
import { body, schemaRef } from './schemas.js'
import { tableShape, tableVersionShape, workerShape } from './shapes.js'

export const TABLE_ROUTES: ApiRoute[] = [
  {
    method: 'get',
    path: '/tables',
    summary: 'All tables of the lakehouse, by name',
    role: 'viewer',
    answers: { 200: { description: 'The tables', schema: { type: 'array', items: schemaRef('Table') } } },
    handle: async (web) => ok((await web.deps.tables.tables()).map(tableShape)),
  },
  {
    method: 'get',
    path: '/tables/{table}/versions',
    summary: 'Versions of a table, newest first, each with the run behind it',
    role: 'viewer',
    query: {
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100, description: 'at most so many' },
      before: {
        type: 'integer',
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'only versions below this one',
      },
    },
    answers: { 200: { description: 'The versions', schema: { type: 'array', items: schemaRef('TableVersion') } } },
    async handle(web, _live, call) {
      const before = call.query('before')
      const versions = await web.deps.tables.versions(call.param('table'), {
        limit: Number(call.query('limit') || 100),
        ...(before === '' ? {} : { before: Number(before) }),
      })
      return ok(versions.map(tableVersionShape))
    },
  },
  {
    method: 'post',
    path: '/tables/{table}/rollback',
    summary: 'Give a table the content of an earlier version, as one new commit',
    role: 'operator',
    body: body({ version: { type: 'integer', minimum: 0 }, reason: { type: 'string', maxLength: 500 } }, ['version']),
    answers: { 200: { description: 'The new version', schema: schemaRef('TableVersion') } },
    async handle(web, _live, call) {
      const { table } = await web.deps.tables.summary(call.param('table'))
      const reason = String(call.body.reason ?? '')
      const { user } = call.identity
      const commit = await rollBack(web, { table, version: Number(call.body.version), reason, user })
      const made = { ...commit, run: null, task: null, attempt: null, user, reason, token: null }
      return ok(tableVersionShape(made))
    },
  },
  {
    method: 'get',
    path: '/workers',
    summary: 'Workers that are alive',
    role: 'viewer',
    answers: { 200: { description: 'The workers', schema: { type: 'array', items: schemaRef('Worker') } } },
    handle: async (web) => ok((await web.deps.store.workers(web.deps.now())).map(workerShape)),
  },
]
