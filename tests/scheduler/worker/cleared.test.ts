import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../json.js'
import { SUBMISSION_MARKER } from '../../../operators/spark/handle.js'
import { WorkerProject } from './worker-project.js'

const DAG = `dag: sales
tasks:
  job: { spark_submit: { application: jobs/job.py }, retries: 1, retry_delay: 0s }
`

/** In the place of spark-submit: writes down each call and whether the driver of an earlier one lives, and fails while it is told to. */
const submit = (folder: string) => `#!/bin/sh
cd ${folder}
case "$*" in *--kill*) echo "kill $4" >> calls; test ! -e unreachable; exit;; esac
if test -e driver && kill -0 "$(cat driver)" 2>&-; then echo 'submit beside a driver' >> calls; else echo submit >> calls; fi
test ! -e fails
`

const FAR = 3_600_000

describe('a task that was cleared', () => {
  let folder: string
  let project: WorkerProject
  let driver: ChildProcess | null = null

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-cleared-'))
    writeFileSync(join(folder, 'submit'), submit(folder))
    chmodSync(join(folder, 'submit'), 0o755)
    project = await WorkerProject.start({
      'sluice.yaml': `connections: { spark: { type: spark, master: "local[1]", submit: ${folder}/submit } }\n`,
      'dags/jobs/job.py': '',
      'dags/sales.yaml': DAG,
    })
  })
  afterEach(async () => {
    await project.close()
    driver?.kill('SIGKILL')
    driver = null
    rmSync(folder, { recursive: true })
  })

  const set = (name: string, text = '') => writeFileSync(join(folder, name), text)
  const calls = () => {
    const file = join(folder, 'calls')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }

  /** A run whose task has failed for good, and has left this outside; the rounds of the worker are far away. */
  async function leaving(handle: JsonObject): Promise<string> {
    set('fails')
    const { run } = await project.run('sales')
    rmSync(join(folder, 'fails'))
    rmSync(join(folder, 'calls'))
    const version = (await project.store.run(run))?.version ?? ''
    const key = { runId: run, taskId: 'job', attempt: 2 }
    const work = { ...key, generation: 1, dagId: 'sales', version, handle, failures: 0 }
    project.store.tables.leftWork.set(`${run}/job/2`, { work, queue: 'default', nextTryAt: Date.now() + FAR })
    return run
  }

  async function clear(run: string): Promise<string> {
    await project.commands.clear(run, null, { downstream: false, failedOnly: false }, { user: 'test' })
    return project.finished(run)
  }

  const handle = (changes: JsonObject): JsonObject => ({
    ...{ marker: 'of-the-first', manager: 'local', deployMode: 'client', master: 'local[1]', tables: {} },
    ...changes,
  })

  it('starts nothing before what it had started outside has ended, and nobody ends that again', async () => {
    driver = spawn('sleep', ['600'], { env: { ...process.env, [SUBMISSION_MARKER]: 'of-the-first' } })
    await once(driver, 'spawn')
    const ended = once(driver, 'exit')
    set('driver', String(driver.pid))
    const run = await leaving(handle({}))
    expect(await clear(run)).toBe('success')
    expect(calls()).toEqual(['submit'])
    expect((await ended)[1]).toBe('SIGKILL')
    expect((await project.messages(run, 'job', 3)).join('\n')).toContain(`Ending sleep (pid ${driver.pid})`)
    expect(project.store.tables.leftWork.size).toBe(0)
  })

  it('fails where that cannot be ended, says so, and goes on once it can', async () => {
    const run = await leaving(handle({ manager: 'kubernetes', deployMode: 'cluster', submissionId: 'ns:driver-1' }))
    set('unreachable')
    expect(await clear(run)).toBe('failed')
    expect(calls()).toEqual(['kill ns:driver-1', 'kill ns:driver-1'])
    const reason = (await project.tasks(run)).job?.reason
    expect(reason).toMatch(/What attempt 2 of job had started .* may still write.*: .*submit ended with exit code 1/)
    expect(project.store.tables.leftWork.size).toBe(1)
    rmSync(join(folder, 'unreachable'))
    expect(await clear(run)).toBe('success')
    expect(calls().slice(2)).toEqual(['kill ns:driver-1', 'submit'])
    expect(project.store.tables.leftWork.size).toBe(0)
  })

  it('is not asked for what it had left when its operator leaves nothing, or nobody cleared it', async () => {
    let asked = 0
    const { leftBefore } = project.store
    project.store.leftBefore = (...args) => {
      asked += 1
      return leftBefore(...args)
    }
    project.write('dags/plain.yaml', 'dag: plain\ntasks: { one: { bash: ["true"] } }\n')
    await project.register()
    await project.run('sales')
    const { run } = await project.run('plain')
    await clear(run)
    expect(asked).toBe(0)
  })
})
