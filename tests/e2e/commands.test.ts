import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  AlertShape,
  BackfillPreviewShape,
  BackfillShape,
  ClearedRunsShape,
  DagShape,
  LogLine,
  MessageShape,
  RunListEntry,
  RunShape,
  TaskShape,
} from '../../scheduler/shapes.js'
import { startSluice } from '../cli/sluice-process.js'
import { startMailServer } from '../scheduler/alerts/mail-server.js'
import { eventually } from './eventually.js'
import { Project, type Up } from './project.js'

const STAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

const DAGS = {
  'dags/greet.yaml': `dag: greet
schedule: "0 6 * * *"
params:
  name: { type: string, default: world, enum: [world, Ada] }
tasks:
  compose:
    bash: |
      echo "composing for" {{ params.name }}
      printf '{"text": "Hello, %s"}' {{ params.name }} > "$SLUICE_OUTPUTS"
  say: { needs: [compose], bash: [echo, "{{ tasks.compose.outputs.text }}"] }
`,
  'dags/broken.yaml': `dag: broken
tasks:
  breaks: { bash: "echo about to fail; exit 3" }
  after: { needs: [breaks], bash: ["true"] }
`,
  'dags/ship.yaml': `dag: ship
tasks:
  landed: { wait_for: { file: "../landing/*.csv", every: 1s } }
  asked: { wait_for: { sql: "SELECT count(*) = 3 FROM range(3)", every: 1s } }
  sent: { needs: [landed, asked], trigger_dag: { dag: greet, params: { name: Ada } } }
  checked: { needs: [sent], approval: "Ship {{ tasks.landed.outputs.count }} file?" }
  shipped: { needs: [checked], bash: [echo, "{{ tasks.checked.outputs.comment }}"] }
`,
  'dags/report.yaml': `dag: report
schedule: "@daily"
tasks:
  write:
    bash:
      command: |
        until [ -e open ]; do sleep 0.05; done
        [ {{ date interval.start }} != 2020-10-03 ] || [ -e mended ]
      cwd: ..
`,
  'dags/alarm.yaml': `dag: alarm
on_failure: { email: [team@example.com] }
tasks:
  rings: { bash: "echo '<b>smoke</b>'; exit 3" }
  flees: { needs: [rings], bash: ["true"] }
`,
  'dags/waits.yaml': `dag: waits
tasks:
  sleeper: { bash: "echo going to bed; exec sleep 600" }
`,
}

/** The mail server takes no mail for those who are gone. */
const gone = new Set<string>()
let mails: Awaited<ReturnType<typeof startMailServer>>
let project: Project

beforeAll(async () => {
  mails = await startMailServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo: ({ address }, _session, callback) =>
      callback(gone.has(address) ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null),
  })
  const config = `connections: { mail: { type: smtp, host: 127.0.0.1, port: ${mails.port}, tls: none } }
alerts:
  base_url: https://sluice.example.com
  email: { connection: mail, from: "Sluice <sluice@example.com>" }
  digest: 100ms
`
  project = await Project.ready({ ...DAGS, 'sluice.yaml': config })
})

afterAll(async () => {
  await project.remove()
  await mails.stop()
})

const tasksOf = async (run: string): Promise<Record<string, string>> =>
  Object.fromEntries((await project.json<TaskShape[]>('tasks', run)).map(({ task, state }) => [task, state]))

const ended = (run: string) =>
  eventually(20_000, async () => {
    const entry = (await project.json<RunListEntry[]>('runs')).find((one) => one.run === run)
    return entry?.ended_at ? entry : null
  })

describe('sluice run without a running Sluice', () => {
  it('prints exactly the shape of the design, and ends with 0', async () => {
    const { code, stdout } = await project.sluice('run', 'greet', '--json', '--param', 'name=Ada')
    expect(code).toBe(0)
    const task = (id: string) => ({
      task: id,
      state: 'success',
      attempt: 1,
      started_at: expect.stringMatching(STAMP),
      ended_at: expect.stringMatching(STAMP),
      reason: expect.any(String),
      tables: [],
      checks: [],
    })
    expect(JSON.parse(stdout)).toEqual({
      run: expect.stringMatching(/^greet-\d{8}T\d{9}Z-manual$/),
      dag: 'greet',
      state: 'success',
      tasks: [task('compose'), task('say')],
    })
  })

  it('prints a line per change when piped, with no escape codes, and ends with 1 when the run failed', async () => {
    const { code, stdout } = await project.sluice('run', 'broken')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d breaks {2}failed {2}.*3/m)
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d after {2}upstream_failed/m)
    expect(stdout).toMatch(/^broken-\S+ {2}failed {2}/m)
    expect(stdout).not.toContain('\u001b')
  })

  it('runs only what --task names', async () => {
    const { tasks } = JSON.parse(
      (await project.sluice('run', 'greet', '--json', '--task', 'compose')).stdout,
    ) as RunShape
    expect(tasks.map(({ task }) => task)).toEqual(['compose'])
  })

  it('refuses a parameter that is none, and leaves nothing running', async () => {
    const answer = await project.sluice('run', 'greet', '--param', 'name=Bob')
    expect(answer.code).toBe(2)
    expect(answer.stderr).toMatch(/^error: .+\nhint: .+\n$/)
    expect(answer.stderr).toContain('Ada')
    expect((await project.sluice('runs')).code).toBe(3)
  })
})

describe('commands on a running Sluice', () => {
  let up: Up

  beforeAll(async () => {
    up = await project.up()
  })

  afterAll(async () => {
    await up.end()
  })

  it('trigger, runs, tasks and logs', async () => {
    const { run } = await project.json<{ run: string }>('trigger', 'greet', '--param', 'name=Ada', '--key', 'once')
    expect(await project.json('trigger', 'greet', '--param', 'name=Ada', '--key', 'once')).toEqual({ run })
    expect(await ended(run)).toEqual({
      run,
      dag: 'greet',
      state: 'success',
      due: expect.stringMatching(STAMP),
      started_at: expect.stringMatching(STAMP),
      ended_at: expect.stringMatching(STAMP),
    })
    expect(await tasksOf(run)).toEqual({ compose: 'success', say: 'success' })
    const { stdout } = await project.sluice('logs', run, 'say')
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} Hello, Ada$/m)
    const lines = (await project.sluice('logs', run, 'compose', '--json')).stdout.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as LogLine).message)).toContain('composing for Ada')
    expect(
      (await project.json<RunListEntry[]>('runs', '--dag', 'greet', '--limit', '1')).map((entry) => entry.run),
    ).toEqual([run])
  })

  it('go on with the last good version of a file that breaks, until it is mended', async () => {
    const file = join(project.folder, 'dags/greet.yaml')
    const good = await readFile(file, 'utf8')
    await writeFile(file, good.replace('tasks:', 'taskz:'))
    const shown = (isBroken: boolean) =>
      eventually(20_000, async () => {
        const problems = await project.api<{ file: string }[]>('/problems')
        return problems.some(({ file }) => file.endsWith('greet.yaml')) === isBroken ? true : null
      })
    await shown(true)
    const { run } = await project.json<{ run: string }>('trigger', 'greet')
    expect((await ended(run)).state).toBe('success')
    await writeFile(file, good)
    await shown(false)
  })

  it('takes what is its own by the running one', async () => {
    const { code, stdout } = await project.sluice('run', 'greet', '--json')
    expect(code).toBe(0)
    const { run } = JSON.parse(stdout) as RunShape
    expect((await project.json<RunListEntry[]>('runs')).map((entry) => entry.run)).toContain(run)
  })

  it('query as CSV and on a connection by its name', async () => {
    const sql = `select 1 as one, 'a,"b' as text`
    const { stdout } = await project.sluice('query', sql, '--format', 'csv', '--connection', 'lakehouse')
    expect(stdout).toBe('one,text\n1,"a,""b"\n')
    const { code, stderr } = await project.sluice('query', sql, '--connection', 'nowhere')
    expect(code).toBe(1)
    expect(stderr).toContain('There is no connection nowhere')
  })

  it('mark and clear', async () => {
    const { run } = await project.json<{ run: string }>('trigger', 'broken')
    expect((await ended(run)).state).toBe('failed')
    expect(await project.json('mark', run, 'breaks', '--state', 'success')).toEqual({ run, marked: ['breaks'] })
    expect(await project.json('clear', run, 'after')).toMatchObject({ run, cleared: ['after'] })
    expect((await ended(run)).state).toBe('success')
    expect(await project.json('clear', run, 'breaks', '--downstream')).toMatchObject({ cleared: ['breaks', 'after'] })
    expect((await ended(run)).state).toBe('failed')
    const range = ['clear', 'broken', '--from', '2020-01-01', '--to', '2100-01-01', '--failed']
    const { before, cleared } = await project.json<ClearedRunsShape>(...range)
    // tests before this one have left failed runs of it too
    expect(cleared).toContainEqual({ run, tasks: ['breaks', 'after'] })
    expect((await ended(run)).state).toBe('failed')
    expect((await project.sluice(...range, '--before', before)).stdout).toBe('Nothing to clear.\n')
    expect((await project.sluice('clear', 'broken', '--from', '2020-01-01')).code).toBe(2)
  })

  it('waits for a file, a run and a person, through a restart', async () => {
    const { run } = await project.json<{ run: string }>('trigger', 'ship')
    const state = (task: string, wanted: string) =>
      eventually(50_000, async () => ((await tasksOf(run))[task] === wanted ? true : null))
    await state('landed', 'deferred')
    const [landed] = await project.json<TaskShape[]>('tasks', run)
    await state('asked', 'success')
    expect(landed?.reason).toMatch(/^waits for the file \.\.\/landing\/\*\.csv since [-\d]+ [\d:]+Z$/)
    await up.end('SIGKILL')
    up = await project.up()
    await project.write('landing/a.csv', 'id\n1\n')
    await state('checked', 'deferred')
    const runs = await project.json<RunListEntry[]>('runs', '--dag', 'greet')
    expect(runs.filter(({ state }) => state === 'success')).not.toEqual([])
    expect(await project.json('approve')).toMatchObject([{ run, task: 'checked', message: 'Ship 1 file?' }])
    const { url, token } = await project.instance()
    const page = await fetch(`${url}/runs/${run}/tasks/sent`, { headers: { authorization: `Bearer ${token}` } })
    expect(await page.text()).toMatch(/<dt>Started<\/dt><dd class="mono"><a href="\/runs\/greet-[^"]+-manual">/)
    expect(await project.json('approve', run, 'checked', '--comment', 'go')).toEqual({
      run,
      task: 'checked',
      approved: true,
    })
    expect((await ended(run)).state).toBe('success')
    expect((await project.sluice('logs', run, 'shipped')).stdout).toContain('go')
    expect((await project.sluice('approve', run, 'checked', '--reject')).code).toBe(1)
  }, 150_000)

  it('cancel, while a log is followed', async () => {
    const { run } = await project.json<{ run: string }>('trigger', 'waits')
    await eventually(20_000, async () => ((await tasksOf(run)).sleeper === 'running' ? true : null))
    const { child, ended: following } = startSluice(['logs', run, 'sleeper', '-f', '--project', project.folder])
    const heard = new Promise((resolve) => child.stdout?.once('data', resolve))
    // one that ends before it has heard anything fails below
    await Promise.race([heard, following])
    expect(await project.json('cancel', run)).toMatchObject({ run })
    expect((await ended(run)).state).toBe('cancelled')
    expect(await tasksOf(run)).toEqual({ sleeper: 'cancelled' })
    expect(await following).toMatchObject({ code: 0, stdout: expect.stringContaining('going to bed') })
  })

  it('run, until Ctrl-C cancels it', async () => {
    const { child, ended: end } = startSluice(['run', 'waits', '--project', project.folder])
    const run = await eventually(20_000, async () => {
      const [first] = await project.json<RunListEntry[]>('runs', '--dag', 'waits', '--state', 'running')
      return first !== undefined && (await tasksOf(first.run)).sleeper === 'running' ? first.run : null
    })
    child.kill('SIGINT')
    const { code, stdout, stderr } = await end
    expect(code).toBe(1)
    expect(stderr).toContain(`Cancelling ${run}`)
    expect(stdout).toMatch(new RegExp(`^${run} {2}cancelled {2}`, 'm'))
  })

  it('pause and resume', async () => {
    expect(await project.json('pause', 'greet', '--reason', 'audit')).toEqual({ paused: true })
    const dag = () => project.api<DagShape>('/dags/greet')
    expect(await dag()).toMatchObject({ paused: true, pause_reason: expect.stringContaining('audit') })
    expect(await project.json('resume', 'greet')).toEqual({
      paused: false,
      missed: { slots: 0, makes: 0, first_due: null, last_due: null },
    })
    expect(await dag()).toMatchObject({ paused: false, next_due: expect.stringMatching(STAMP) })
  })

  it('alerts: by mail, taken note of, muted, and what was refused is sent again', async () => {
    const { run } = await project.json<{ run: string }>('trigger', 'alarm')
    const [mail] = await eventually(20_000, async () => (mails.received.length > 0 ? mails.received : null))
    expect(mail?.to).toEqual(['team@example.com'])
    expect(mail?.mail.subject).toMatch(/^\[Sluice\] Failed: alarm failed, run due /)
    expect(mail?.mail.text).toContain('Waiting for it: flees')
    expect(mail?.mail.text).toContain('  <b>smoke</b>')
    expect(mail?.mail.html).toContain('&lt;b&gt;smoke&lt;/b&gt;')
    expect(mail?.mail.text).toContain(`https://sluice.example.com/runs/${run}/tasks/rings`)
    const list = (...options: string[]) => project.json<AlertShape[]>('alerts', 'list', 'alarm', ...options)
    const [alert] = await list()
    expect(alert).toMatchObject({ kind: 'run_failed', run, deliveries: [{ to: 'email team@example.com' }] })
    expect(await project.json('alerts', 'ack', String(alert?.alert))).toEqual({ acknowledged: 1 })
    expect(await list()).toEqual([])

    const { mute } = await project.json<{ mute: number }>('alerts', 'mute', 'alarm', '--for', '1h', '--reason', 'drill')
    await project.json('trigger', 'alarm')
    const states = async () => (await project.api<AlertShape[]>('/alerts?dag=alarm'))[0]?.deliveries[0]?.state
    await eventually(20_000, async () => ((await states()) === 'muted' ? true : null))
    expect((await project.sluice('alerts', 'mute')).stdout).toMatch(/ alarm .* drill$/m)
    expect((await project.sluice('alerts', 'unmute', String(mute))).stdout).toBe(`Mute ${mute} has ended.\n`)

    gone.add('gone@example.com')
    const refused = await project.sluice('alerts', 'test', '--email', 'gone@example.com')
    expect([refused.code, refused.stdout]).toEqual([1, expect.stringMatching(/^email gone@example.com: dead, .*550/)])
    const [dead] = await project.json<MessageShape[]>('alerts', 'messages', '--dead')
    gone.clear()
    await project.json('alerts', 'retry', String(dead?.message))
    await eventually(20_000, async () => (mails.received.length === 2 ? true : null))
    expect(mails.received[1]).toMatchObject({
      to: ['gone@example.com'],
      mail: { subject: expect.stringContaining('Test') },
    })
  }, 60_000)

  it('backfill: tells before, stops and goes on, makes what failed or is missing, and once for a key', async () => {
    const october = (last: string, ...options: string[]) =>
      project.json<BackfillPreviewShape>('backfill', 'report', '--from', '2020-10-01', '--to', last, ...options)
    const [list, runs] = [
      () => project.api<BackfillShape[]>('/backfills?dag=report'),
      () => project.api<RunListEntry[]>('/runs?dag=report'),
    ]
    const done = (backfill: number | null) =>
      eventually(
        20_000,
        async () => (await list()).find((one) => one.backfill === backfill && one.state === 'done') ?? null,
      )
    expect(await october('2020-10-05', '--dry-run')).toMatchObject({
      intervals: 4,
      missing: 4,
      makes: 4,
      backfill: null,
    })
    expect([await list(), await runs()]).toEqual([[], []])

    const request = ['--reverse', '--max-active', '1', '--key', 'october'] as const
    const { backfill } = await october('2020-10-05', ...request)
    await eventually(20_000, async () => ((await runs())[0]?.state === 'running' ? true : null))
    expect(await project.json('backfill', '--pause', String(backfill))).toMatchObject({ state: 'paused' })
    await project.write('open', '')
    await eventually(20_000, async () => ((await runs())[0]?.state === 'success' ? true : null))
    expect((await project.sluice('backfill', '--list')).stdout).toMatch(/ report +paused .* 1\/4 +1 success$/m)
    expect(await project.json('backfill', '--resume', String(backfill))).toMatchObject({ state: 'running' })
    expect((await done(backfill)).runs).toMatchObject({ success: 3, failed: 1 })
    const inOrder = (await runs()).sort((a, b) => ((a.started_at ?? '') < (b.started_at ?? '') ? -1 : 1))
    expect(inOrder.map(({ due }) => due.slice(0, 10))).toEqual(['05', '04', '03', '02'].map((day) => `2020-10-${day}`))
    expect(await october('2020-10-05', ...request)).toMatchObject({ backfill })
    expect(await list()).toHaveLength(1)

    await project.write('mended', '')
    const failed = await october('2020-10-05', '--failed')
    expect(failed).toMatchObject({ makes: 1 })
    expect((await done(failed.backfill)).runs).toMatchObject({ success: 1, failed: 0 })
    await rm(join(project.folder, 'open'))
    const missing = await october('2020-10-07', '--missing')
    expect(missing).toMatchObject({ intervals: 6, good: 4, missing: 2, makes: 2 })
    await eventually(20_000, async () => ((await runs())[0]?.state === 'running' ? true : null))
    expect(await project.json('backfill', '--cancel', String(missing.backfill))).toMatchObject({ state: 'cancelled' })
    await eventually(20_000, async () => ((await runs()).every(({ ended_at }) => ended_at !== null) ? true : null))
    expect((await runs()).filter(({ state }) => state !== 'success').map(({ state }) => state)).toEqual([
      'cancelled',
      'failed',
    ])
    await project.sluice('pause', 'report')
    const waiting = await project.sluice('backfill', 'report', '--from', '2020-11-01', '--to', '2020-11-03')
    expect(waiting.stdout).toContain('report is paused: no run is made or started before `sluice resume report`.')
  }, 60_000)

  it.each([
    [['tasks', 'no-such-run'], 1],
    [['logs', 'no-such-run', 'x'], 1],
    [['trigger', 'nowhere'], 1],
    [['pause', 'nowhere'], 1],
    [['run', 'nowhere'], 1],
    [['trigger', 'greet', '--param', 'name=3'], 2],
    [['run', 'greet', '--param', 'nam=Ada'], 2],
    [['run', 'greet', '--task', 'sya'], 1],
  ])('refuses %j with a message and a hint', async (args, code) => {
    const answer = await project.sluice(...args)
    expect({ code: answer.code, stdout: answer.stdout }).toEqual({ code, stdout: '' })
    expect(answer.stderr).toMatch(/^error: .+\nhint: .+\n$/)
  })

  it('prints tables of plain text for people who pipe', async () => {
    for (const args of [['runs'], ['tables']]) {
      const { code, stdout } = await project.sluice(...args)
      expect(code).toBe(0)
      expect(stdout).not.toContain('\u001b')
    }
  })
})
