import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkDags } from '../../cli/dag-files.js'
import { type Embedded, startEmbedded } from '../../scheduler/embedded.js'
import { loadConfig } from '../../scheduler/load-config.js'
import { giveStore } from './store/pglite-folder.js'
import { eventually } from './worker/worker-project.js'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const BY_HAND = { params: {}, interval: null, onlyTasks: null, noChecks: false }
const HELLO = 'dag: hello\ntasks:\n  say: { bash: [echo, hello], queue: elsewhere }\n'
const LEFT = 'dag: left\ntasks:\n  say: { bash: [echo, hello], retries: 1, retry_delay: 0s }\n'
const ONCE = 'dag: once\ntasks:\n  waits: { bash: { command: "until test -e go; do sleep 0.05; done", cwd: . } }\n'
const PARENT = 'dag: parent\ntasks:\n  starts: { trigger_dag: { dag: left } }\n'
const OFTEN = 'dag: often\nschedule: "* * * * *"\ntasks:\n  say: { bash: [echo, hello] }\n'

let folder: string
let running: Embedded | null = null

beforeEach(async () => {
  folder = project()
  await giveStore(join(folder, 'data/store'))
})

function project(): string {
  const made = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  mkdirSync(join(made, 'dags'))
  writeFileSync(join(made, 'dags/hello.yaml'), HELLO)
  return made
}

afterEach(async () => {
  await running?.close()
  running = null
  for (const path of [folder, `${folder}-checkout`]) rmSync(path, { recursive: true, force: true })
})

async function start(options: { schedules?: boolean; now?: () => number } = {}): Promise<Embedded> {
  const { schedules = true, now = Date.now } = options
  const clock = { now, at: (at: number, call: () => void) => later(at - now(), call) }
  running = await startEmbedded({ config: loadConfig(folder), workers: 2, log: silent, schedules, clock })
  return running
}

function later(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, Math.max(0, ms))
  return () => clearTimeout(timer)
}

async function stop(): Promise<void> {
  await running?.close()
  running = null
}

describe('an embedded Sluice', { timeout: 60_000 }, () => {
  it('runs a DAG by hand, whatever queue its tasks name, and knows it after a restart', async () => {
    const first = await start()
    const { run } = await first.commands.trigger('hello', BY_HAND, { user: 'test' }, 'key')
    await first.commands.trigger('hello', BY_HAND, { user: 'test' }, 'key')
    await eventually('it has ended', async () => (await first.store.run(run))?.state === 'success')
    const audited = await first.database.query('select user_name, action, target, detail from audit')
    expect(audited).toEqual([{ user_name: 'test', action: 'trigger', target: 'hello', detail: { run, params: {} } }])
    await stop()
    const second = await start()
    expect((await second.store.run(run))?.state).toBe('success')
    const lines: string[] = []
    for await (const { message } of second.logs.read({ runId: run, taskId: 'say', attempt: 1 }, { from: 1 }))
      lines.push(message)
    expect(lines).toEqual(['hello'])
  })

  it('takes over at its start what was queued and not claimed', async () => {
    const first = await start()
    const { run } = await first.commands.trigger('hello', BY_HAND, { user: 'test' }, null)
    await eventually('it has ended', async () => (await first.store.run(run))?.state === 'success')
    await first.database.query("update task_runs set state = 'queued', attempt = attempt + 1 where run_id = $1", [run])
    await first.database.query("update runs set state = 'running', ended_at = null where run_id = $1", [run])
    await stop()
    const second = await start()
    await eventually('it is claimed', async () => (await second.store.taskRuns(run))[0]?.state === 'success', 20_000)
  })

  it('runs again what its stop has ended, although the task has no retries', async () => {
    writeFileSync(join(folder, 'dags/once.yaml'), ONCE)
    const first = await start()
    const { run } = await first.commands.trigger('once', BY_HAND, { user: 'test' }, null)
    await eventually('it runs', async () => (await first.store.taskRuns(run))[0]?.state === 'running')
    await stop()
    writeFileSync(join(folder, 'dags/go'), '')
    const second = await start()
    await eventually('it has ended', async () => (await second.store.run(run))?.state === 'success', 20_000)
    expect((await second.store.taskRuns(run))[0]).toMatchObject({ attempt: 2, tries: 1 })
    const attempts = await second.database.query('select result, reason from attempts order by attempt')
    expect(attempts).toMatchObject([
      { result: 'stopped', reason: 'Sluice was stopped while the attempt ran' },
      { result: 'success' },
    ])
  })

  it('sees a new DAG within 2 s', async () => {
    const sluice = await start()
    writeFileSync(join(folder, 'dags/new.yaml'), HELLO.replace('hello', 'new'))
    await eventually('the DAG is registered', async () => (await sluice.store.dag('new')) !== null, 2_000)
  })

  it('runs a DAG that was moved unchanged from its new folder', async () => {
    const where = 'dag: where\ntasks:\n  say: { bash: { command: [cat, here.txt], cwd: landing } }\n'
    for (const [path, text] of [
      ['landing/here.txt', 'the old folder'],
      ['team/landing/here.txt', 'the new folder'],
      ['where.yaml', where],
    ] as const) {
      mkdirSync(dirname(join(folder, 'dags', path)), { recursive: true })
      writeFileSync(join(folder, 'dags', path), text)
    }
    const sluice = await start()
    const said = async () => {
      const { run } = await sluice.commands.trigger('where', BY_HAND, { user: 'test' }, null)
      await eventually('it has ended', async () => (await sluice.store.run(run))?.state === 'success')
      const lines: string[] = []
      for await (const { message } of sluice.logs.read({ runId: run, taskId: 'say', attempt: 1 }, { from: 1 }))
        lines.push(message)
      return lines
    }
    expect(await said()).toEqual(['the old folder'])
    renameSync(join(folder, 'dags/where.yaml'), join(folder, 'dags/team/where.yaml'))
    await eventually('it is read', async () => (await sluice.store.dag('where'))?.file === 'team/where.yaml')
    expect(await said()).toEqual(['the new folder'])
  })

  it('runs what a DAGs folder outside the project names, as its check has promised', async () => {
    const outside = `${folder}-checkout`
    const tasks = [
      'shell: { bash: { command: [cat, orders.csv], cwd: landing } }',
      'script: { python: { script: jobs/say.py, files: [jobs/words.py] } }',
      'load: { ingest: { from: { files: "landing/*.csv" }, to: bronze.orders } }',
      'wait: { wait_for: { file: "landing/*.csv" } }',
    ]
    const dag = `dag: out\nschedule: { files: "landing/*.csv" }\ntasks:\n${tasks.map((task) => `  ${task}\n`).join('')}`
    for (const [path, text] of [
      ['team/out.yaml', dag],
      ['team/landing/orders.csv', 'id\n1\n'],
      ['team/jobs/say.py', 'import words\nimport team.jobs.words\n'],
      ['team/jobs/words.py', ''],
    ] as const) {
      mkdirSync(dirname(join(outside, path)), { recursive: true })
      writeFileSync(join(outside, path), text)
    }
    writeFileSync(join(folder, 'sluice.yaml'), `dags: ${outside}\n`)
    expect((await checkDags(loadConfig(folder), [])).problems).toEqual([])
    const sluice = await start()
    const states = 'select task_id, state from task_runs where dag_id = $1 order by 1'
    const ended = async () => {
      const [run] = await sluice.database.query('select ended_at from runs where dag_id = $1', ['out'])
      return (run?.ended_at ?? null) !== null
    }
    await eventually('its run has ended', ended, 30_000)
    expect((await sluice.database.query(states, ['out'])).map(({ task_id, state }) => [task_id, state])).toEqual([
      ['load', 'success'],
      ['script', 'success'],
      ['shell', 'success'],
      ['wait', 'success'],
    ])
  })

  it('makes due runs, but none when it was started for runs by hand alone', async () => {
    writeFileSync(join(folder, 'dags/often.yaml'), OFTEN)
    // half past a minute, so that none begins meanwhile
    const ahead = 30_000 - (Date.now() % 60_000)
    await start({ now: () => Date.now() + ahead })
    await stop()
    // two minutes later a run is due
    const now = () => Date.now() + ahead + 120_000
    const quiet = await start({ schedules: false, now })
    const { run } = await quiet.commands.trigger('hello', BY_HAND, { user: 'test' }, null)
    await eventually('the run by hand has ended', async () => (await quiet.store.run(run))?.state === 'success')
    expect(await runsOf(quiet, 'often')).toBe(0)
    await stop()
    const sluice = await start({ now })
    await eventually('the due run is made', async () => (await runsOf(sluice, 'often')) === 1)
  })

  it('started for runs by hand leaves all others as they are, and the next one goes on with them', async () => {
    writeFileSync(join(folder, 'dags/parent.yaml'), PARENT)
    writeFileSync(join(folder, 'dags/left.yaml'), LEFT)
    const left = await leaveBehind(await start())
    await stop()
    const quiet = await start({ schedules: false })
    const before = await rowsOf(quiet, left)
    // its child is of the DAG whose only place the left runs hold
    const { run } = await quiet.commands.trigger('parent', BY_HAND, { user: 'test' }, null)
    await eventually('it has ended', async () => (await quiet.store.run(run))?.state === 'success', 20_000)
    expect(await rowsOf(quiet, left)).toEqual(before)
    await stop()
    const sluice = await start()
    for (const one of left) {
      await eventually(`${one} ends`, async () => (await sluice.store.run(one))?.state === 'success', 20_000)
    }
  })

  it('refuses a second one on the same store, and lets go of it when the start fails', async () => {
    await start()
    await expect(startEmbedded({ config: loadConfig(folder), workers: 1, log: silent })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
    })
    await stop()
    rmSync(join(folder, 'dags'), { recursive: true })
    await expect(start()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    mkdirSync(join(folder, 'dags'))
    await start()
  })
})

/** One run in each state that a Sluice works on, as one that was killed leaves them. */
async function leaveBehind(sluice: Embedded): Promise<string[]> {
  const left: string[] = []
  const states = ['scheduled', 'queued', 'running', 'up_for_retry', 'none']
  for (const _ of states) {
    const { run } = await sluice.commands.trigger('left', BY_HAND, { user: 'test' }, null)
    await eventually('it has ended', async () => (await sluice.store.run(run))?.state === 'success')
    left.push(run)
  }
  // nobody takes them up any more
  await sluice.scheduler.stop()
  for (const [index, state] of states.entries()) {
    const run = left[index] ?? ''
    const again = state === 'none' ? "'queued', started_at = null" : "'running'"
    await sluice.database.query(`update runs set state = ${again}, ended_at = null where run_id = $1`, [run])
    await sluice.database.query(
      `update task_runs set state = $2, attempt = attempt + case $2 when 'queued' then 1 else 0 end, not_before = started_at,
        lease_until = case $2 when 'running' then now() + interval '1 hour' end where run_id = $1`,
      [run, state],
    )
    if (state !== 'running') continue
    await sluice.database.query('update attempts set result = null, settled = false where run_id = $1', [run])
  }
  return left
}

function rowsOf(sluice: Embedded, runs: string[]): Promise<unknown[]> {
  return sluice.database.query(
    `select r.run_id, r.state, r.revision, r.reason, t.state as task, t.attempt, t.tries, t.since, t.reason as why
      from runs r join task_runs t using (run_id) where run_id = any($1) order by run_id`,
    [runs],
  )
}

async function runsOf(sluice: Embedded, dag: string): Promise<number> {
  return (await sluice.database.query('select 1 from runs where dag_id = $1', [dag])).length
}
