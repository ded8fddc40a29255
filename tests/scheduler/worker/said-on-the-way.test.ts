import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { JsonObject } from '../../../json.js'
import type { Operator } from '../../../operators/operator.js'
import type { Wait } from '../../../operators/wait.js'
import { compileContext, compileDag } from '../../../scheduler/dag/compile.js'
import { loadConfig } from '../../../scheduler/load-config.js'
import { openLogStore } from '../../../scheduler/worker/open-log-store.js'
import type { Assignment } from '../../../scheduler/worker/protocol.js'
import { type AttemptEnd, runAttempt } from '../../../scheduler/worker/run-attempt.js'
import { SlotTables } from '../../../scheduler/worker/slot-tables.js'
import { WorkFolders } from '../../../scheduler/worker/work-folder.js'

const SECRET = 'tOpS3cret-value'

/** Tells how far it is and what it waits for in words that hold its secret. */
const telling: Operator = {
  type: 'telling',
  summary: 'For tests.',
  docs: '',
  weight: 'light',
  writesTable: false,
  schema: { type: 'object' },
  async run(config, ctx) {
    const { PASSWORD: password = '' } = ctx.env
    ctx.progress({ step: `asks with ${password}`, [password]: 1, done: 1 })
    if (config.wait === 'approval') {
      const message = `May ${password} go on?`
      const waitsFor: Wait = {
        on: 'approval',
        kind: 'approval',
        message,
        role: 'admin',
        users: [],
        onReject: 'fail',
      }
      return { deferred: { until: null, reason: message, waitsFor } }
    }
    const params = { given: password }
    const waitsFor: Wait = { on: 'dag:b', kind: 'child', dag: 'b', key: 'k', params, interval: 'same', wait: true }
    return { deferred: { until: null, reason: 'waits for its run', waitsFor } }
  },
}

const project = mkdtempSync(join(tmpdir(), 'sluice-said-'))
beforeAll(() => mkdirSync(join(project, 'dags')))
afterAll(() => rmSync(project, { recursive: true }))

async function attempted(wait: string): Promise<{ end: AttemptEnd; told: JsonObject[] }> {
  const config = loadConfig(project)
  const operators = new Map([['telling', telling]])
  const text = `dag: a\ntasks: { t: { telling: { wait: ${wait} }, env: { PASSWORD: "\${env:PASSWORD}" } } }\n`
  const { dag } = compileDag('a.yaml', Buffer.from(text), compileContext({ operators, project, dags: config.dags }))
  const task = dag?.tasks[0]
  if (dag === null || task === undefined) throw new Error('the DAG is not good')
  const claim: Assignment['claim'] = {
    ...{ runId: 'a-1', dagId: 'a', version: dag.version, taskId: 't', attempt: 1, tries: 1, generation: 1 },
    ...{ claimToken: wait, leaseUntil: 0, dueAt: 0, intervalStart: 0, intervalEnd: 0, params: {}, triggeredBy: '' },
    ...{ trigger: null, noChecks: false, item: null, handle: null, woken: null, claimedAt: 0 },
  }
  const told: JsonObject[] = []
  const voice = {
    logged: () => undefined,
    progress: (value: JsonObject) => void told.push(value),
    saveHandle: async () => undefined,
    doneBefore: async () => null,
    leftEnded: async () => undefined,
  }
  const work = join(project, '.sluice/work')
  const end = await runAttempt({ claim, dag, task, upstream: {}, left: [] }, voice, new AbortController().signal, {
    config: { ...config, work },
    operators,
    logs: openLogStore(config),
    env: { PASSWORD: SECRET },
    tables: new SlotTables(),
    work: new WorkFolders(work),
    now: () => 0,
  })
  return { end, told }
}

it('progress holds no secret, in keys neither', async () => {
  const { told } = await attempted('approval')
  expect(told).toEqual([{ step: 'asks with ********', '********': 1, done: 1 }])
})

it('what a person is asked holds no secret', async () => {
  const { end } = await attempted('approval')
  expect(end.outcome).toMatchObject({ reason: 'May ******** go on?', waitsFor: { message: 'May ******** go on?' } })
})

it('what is acted upon stays what it is: a child run gets the parameters that its DAG file gives', async () => {
  const { end } = await attempted('child')
  expect(end.outcome.waitsFor).toMatchObject({ kind: 'child', params: { given: SECRET } })
})
