import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach } from 'vitest'
import type { JsonObject } from '../../../json.js'
import type { Operator } from '../../../operators/operator.js'
import { type Compiled, compileContext, compileDag } from '../../../scheduler/dag/compile.js'
import type { Dag } from '../../../scheduler/dag/model.js'
import { type RenderedTask, renderTask, type TemplateScope } from '../../../scheduler/dag/templates.js'

const nothing = { summary: 'For tests.', docs: '', weight: 'light' as const, run: () => Promise.resolve({}) }

const command = { type: 'string', minLength: 1, 'x-template': 'shell' }

const bash: Operator = {
  ...nothing,
  type: 'bash',
  writesTable: false,
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['command'],
    properties: {
      command: { anyOf: [command, { type: 'array', minItems: 1, items: { type: 'string', 'x-template': 'text' } }] },
      cwd: { type: 'string' },
    },
  },
  shortSchema: { anyOf: [command, { type: 'array', minItems: 1, items: { type: 'string', 'x-template': 'text' } }] },
  longForm: (value) => ({ command: value }),
}

const sql: Operator = {
  ...nothing,
  type: 'sql',
  writesTable: true,
  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      query: { type: 'string', minLength: 1, 'x-template': 'sql' },
      file: { type: 'string', 'x-file': true, 'x-file-template': 'sql', 'x-template': 'none' },
      to: { type: 'string', pattern: '^[a-z]+\\.[a-z]+$', 'x-expects': 'a table, schema.table', 'x-template': 'none' },
      rows: { type: 'integer' },
      mode: { enum: ['append', 'merge'] },
      keys: { type: 'array', items: { type: 'string' }, description: 'Needed by mode `merge`.' },
    },
    oneOf: [{ required: ['query'] }, { required: ['file'] }],
    dependentRequired: { mode: ['to'] },
    allOf: [
      {
        if: { required: ['mode'], properties: { mode: { const: 'merge' } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { required: ['keys'] },
        else: { properties: { keys: false } },
      },
    ],
  },
  tables: ({ to }) => ({ writes: typeof to === 'string' ? [to] : [] }),
  shortSchema: { type: 'string', minLength: 1, 'x-template': 'sql' },
  longForm: (value) => ({ query: value }),
}

const script: Operator = {
  ...nothing,
  type: 'script',
  writesTable: false,
  reusable: false,
  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      file: { $ref: '#/$defs/file' },
      code: { type: 'string', 'x-template': 'none' },
      status: { anyOf: [{ $ref: '#/$defs/status' }, { type: 'array', items: { $ref: '#/$defs/status' } }] },
      headers: { type: 'object', additionalProperties: { type: 'string', 'x-template': 'text' } },
      body: {},
      application: {
        type: 'string',
        'x-file': true,
        'x-file-pattern': '^[a-z/]+\\.py$',
        'x-file-template': 'none',
        'x-template': 'text',
      },
    },
    $defs: {
      file: { type: 'string', 'x-file': true, 'x-file-template': 'none', 'x-template': 'none' },
      status: { type: ['integer', 'string'] },
    },
  },
}

/** Operators with every shape of schema that the language supports, independent of the real ones. */
export const testOperators: ReadonlyMap<string, Operator> = new Map([bash, sql, script].map((one) => [one.type, one]))

const made: string[] = []

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A project with these files (by path below it), removed after the test. Its DAGs folder is `dags`. */
export function project(files: Record<string, string | Uint8Array> = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-dag-')))
  made.push(root)
  mkdirSync(join(root, 'dags'))
  for (const [path, content] of Object.entries(files)) write(root, path, content)
  return root
}

export function write(root: string, path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

/** Compiles a text as `dags/test.yaml` of a project, or as another `file` of its DAGs folder. */
export function compile(
  text: string | Uint8Array,
  options: {
    root?: string
    vars?: string[]
    pools?: string[]
    calendars?: Record<string, string[]>
    file?: string
  } = {},
): Compiled {
  const root = options.root ?? project()
  const { vars, pools } = options
  const context = compileContext({
    operators: testOperators,
    project: root,
    dags: join(root, 'dags'),
    ...(vars && { vars }),
    ...(pools && { pools }),
    calendars: options.calendars ?? { france: ['2026-05-01', '2026-12-25'] },
  })
  return compileDag(options.file ?? 'test.yaml', typeof text === 'string' ? Buffer.from(text) : text, context)
}

/** The DAG of a text in which nothing may be wrong. */
export function goodDag(text: string, options: Parameters<typeof compile>[1] = {}): Dag {
  const { dag, problems } = compile(text, options)
  if (dag === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join('\n'))
  return dag
}

/** `line:column message (hint)` of each problem, in order. */
export function problemLines(text: string | Uint8Array, options: Parameters<typeof compile>[1] = {}): string[] {
  return compile(text, options).problems.map(
    ({ line, column, message, hint }) => `${line}:${column} ${message}${hint === '' ? '' : ` (${hint})`}`,
  )
}

/** A DAG of one bash task, with more keys for the DAG and for the task. */
export function dagWith(dagKeys: string[], taskKeys: string[] = ['bash: "true"']): string {
  return ['dag: test', ...dagKeys, 'tasks:', '  load:', ...taskKeys.map((line) => `    ${line}`), ''].join('\n')
}

export const emptyScope = {
  params: {} as JsonObject,
  interval: { start: '2026-01-01T00:00:00.000Z', end: '2026-01-02T00:00:00.000Z' },
  run: { id: 'test-20260102T000000Z', scheduled_at: '2026-01-02T00:00:00.000Z' },
  dag: { id: 'test', version: 'v', owner: '' },
  task: { id: 'load', attempt: 1 },
  tasks: {},
  trigger: { kind: 'manual' } as JsonObject,
  vars: {},
}

/** A task as its operator gets it. */
export function rendered(dag: Dag, scope: Partial<TemplateScope> = {}, id = 'load'): RenderedTask {
  const task = dag.tasks.find((one) => one.id === id)
  const operator = testOperators.get(task?.operator ?? '')
  if (task === undefined || operator === undefined) throw new Error(`no task ${id}`)
  return renderTask(dag, task, operator, { ...emptyScope, ...scope })
}
