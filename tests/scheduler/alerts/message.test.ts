import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../scheduler/alerts/content.js'
import { digestOf, renderDigest } from '../../../scheduler/alerts/digest.js'
import { gatherFacts } from '../../../scheduler/alerts/facts.js'
import { type AlertContent, renderMessage } from '../../../scheduler/alerts/message.js'
import { webhookBody } from '../../../scheduler/alerts/webhook.js'
import type { Run } from '../../../scheduler/core/model.js'
import type { Alert } from '../../../scheduler/store/alert-store.js'
import type { Dependent, Store } from '../../../scheduler/store/store.js'
import { cronSchedule, dag, NOW, snapshot, task } from '../core/dags.js'

const DEPENDENTS: Dependent[] = [
  { dagId: 'board', how: 'waits', table: '' },
  { dagId: 'stock', how: 'waits', table: 'gold.rfm' },
  { dagId: 'mails', how: 'dag_trigger', table: '' },
  { dagId: 'prices', how: 'table_trigger', table: 'gold.rfm' },
  { dagId: 'plan', how: 'reads', table: 'gold.rfm' },
]

const CONTENT: AlertContent = {
  severity: 'good',
  title: 'Recovered',
  dagId: 'sales',
  taskId: null,
  summary: 'ended 12 minutes late',
  detail: '',
  facts: [],
  links: [],
  log: [],
  blocked: [],
  behind: [],
  footer: '',
}

describe('a rendered alert', () => {
  it('names the DAG, and the task where there is one', () => {
    expect(renderMessage(CONTENT, 'http://x').subject).toBe('[Sluice] Recovered: sales ended 12 minutes late')
    expect(renderMessage({ ...CONTENT, taskId: 'load' }, 'http://x').subject).toContain('sales.load')
  })

  it('leaves out what it has nothing for', () => {
    const { html, text } = renderMessage(CONTENT, 'http://x')
    expect(html).not.toMatch(/Waiting for it|Last lines/)
    expect(text).toBe('RECOVERED: sales\n\nsales ended 12 minutes late.\n')
  })

  it('is bounded: subject, lines of the log and tasks that wait', () => {
    const log = Array.from({ length: 1_000 }, (_, index) => `line ${index} ${'y'.repeat(10_000)}`)
    const blocked = Array.from({ length: 10_000 }, (_, index) => `task_${index}`)
    const { subject, html, text } = renderMessage({ ...CONTENT, summary: '😀'.repeat(500), log, blocked }, 'http://x')
    expect(Array.from(subject)).toHaveLength(200)
    expect(subject).not.toMatch(/[\ud800-\udbff]…$/u)
    expect(html.length).toBeLessThan(30_000)
    expect(text).toContain('line 999')
    expect(text).not.toContain('line 979')
    expect(text).toContain('and 9980 more')
  })

  it('names the DAGs behind it, as text', () => {
    const { html, text } = renderMessage({ ...CONTENT, behind: ['<i>x</i> (reads gold.y)', 'and 2 more'] }, 'http://x')
    expect(text).toContain('DAGs behind it: <i>x</i> (reads gold.y), and 2 more')
    expect(html).toContain(
      '<b style="color:#171b22;">DAGs behind it.</b> &lt;i&gt;x&lt;/i&gt; (reads gold.y), and 2 more',
    )
  })

  it('shows in lists what the subject does not say, as text', () => {
    const content = { ...CONTENT, facts: [['Late by', '<b>12 m</b>']] as const }
    expect(renderMessage(content, 'http://x').html).toContain('>Late by: &lt;b&gt;12 m&lt;/b&gt;</div>')
    expect(renderMessage({ ...content, detail: 'why' }, 'http://x').html).toContain('>why</div>')
  })

  it('loads nothing from anywhere', () => {
    const links = [{ label: 'Open', path: '/dags/sales' }]
    const { html } = renderMessage({ ...CONTENT, links }, 'https://s.example.com/sluice/')
    expect(html).not.toMatch(/<img|<link|<script|url\(|src=/)
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual([
      'https://s.example.com/sluice/dags/sales',
    ])
  })
})

describe('many alerts in one message', () => {
  const alertAt = (index: number, more: Partial<Alert> = {}): Alert => ({
    ...{ id: index, key: `${index}`, kind: 'task_failed', subject: 'sales.load', dagId: 'sales', taskId: 'load' },
    ...{ runId: `sales-${index}`, payload: {}, raisedAt: NOW + index * 1_000, acknowledgedBy: null },
    ...more,
  })
  const many = Array.from({ length: 50 }, (_, index) => alertAt(index))
  const content = { alerts: many, counts: [{ kind: 'task_failed' as const, dagId: 'sales', count: 14_000 }] }
  const madeAt = NOW + 600_000

  it('tells runs that are seconds apart from each other, and from when to when they were raised', () => {
    const digest = digestOf(content, madeAt)
    expect(digest.detail).toBe('Raised between 05:00:00 UTC and 05:10:00 UTC and put together into one message.')
    expect(new Set(digest.named.map(({ line }) => line)).size).toBe(50)
    const { text } = renderDigest(digest, [], 'http://x')
    expect(text).toContain('Failed: sales.load, Fri 20 Nov 2026, 05:00:20 UTC\n    http://x/runs/sales-20/tasks/load')
    expect(text).toContain('and 13,950 more')
  })

  it('names the deadline of a miss, and how late it is told', () => {
    const payload = { deadline: new Date(NOW + 20_000).toISOString() }
    const lines = [NOW + 20_000, NOW + 620_000].map((raisedAt) => {
      return digestOf({ ...content, alerts: [alertAt(0, { kind: 'sla_missed', payload, raisedAt })] }, madeAt).named[0]
        ?.line
    })
    expect(lines).toEqual([
      'SLA missed: sales.load, due by Fri 20 Nov 2026, 05:00:20 UTC',
      'SLA missed: sales.load, due by Fri 20 Nov 2026, 05:00:20 UTC, told 10 m late',
    ])
  })

  it('says as much to a webhook: counts, names with their links, and the same as data', () => {
    const reason = '<!channel> | <https://evil.example|click>'
    const evil = { ...content, alerts: many.map((alert) => ({ ...alert, payload: { reason } })) }
    const body = webhookBody('[Sluice] x', digestOf(evil, madeAt), [], evil, 'http://x') as unknown as {
      attachments: { color: string; text: string; fields: unknown[] }[]
      alerts: unknown[]
    }
    expect(body).toMatchObject({ total: 14_000, counts: [{ kind: 'task_failed', dag: 'sales', count: 14_000 }] })
    const [attachment] = body.attachments
    expect(attachment?.fields).toEqual([{ title: 'sales', value: '14,000 failed tasks', short: true }])
    const [detail, first, ...others] = attachment?.text.split('\n') ?? []
    expect(detail).toContain('Raised between')
    expect(first).toBe(
      '<http://x/runs/sales-0/tasks/load|Failed: sales.load, Fri 20 Nov 2026, 05:00:00 UTC: &lt;!channel&gt; / &lt;https://evil.example/click&gt;>',
    )
    expect(others).toHaveLength(20)
    expect(others.at(-1)).toBe('and 13,980 more')
    expect(body.alerts).toHaveLength(50)
  })

  it('says all of a few to a webhook, each for itself and in its own colour', () => {
    const few = { alerts: many.slice(0, 2), counts: [{ kind: 'task_failed' as const, dagId: 'sales', count: 2 }] }
    const details = [
      {
        ...CONTENT,
        severity: 'bad' as const,
        taskId: 'load',
        detail: 'exit 3',
        links: [{ label: 'Open', path: '/runs/a' }],
      },
      { ...CONTENT, facts: [['Tasks', '2 of 2 done']] as const },
    ]
    const body = webhookBody('[Sluice] x', digestOf(few, madeAt), details, few, 'http://x')
    expect(body.attachments).toMatchObject([
      { title: 'sales.load', title_link: 'http://x/runs/a', text: 'ended 12 minutes late: exit 3', color: '#b91c2b' },
      { title: 'sales', text: 'ended 12 minutes late', color: '#0f7a5c', fields: [{ title: 'Tasks' }] },
    ])
  })
})

describe('an alert about a run that is late', () => {
  const MINUTE = 60_000
  const tasks = [task('load'), task('rfm', ['load'], { config: { to: 'gold.rfm' } }), task('report', ['rfm'])]
  const sales = dag('sales', tasks, { schedule: cronSchedule('0 6 * * *', 'Europe/Paris') })
  const deadline = NOW + 60 * MINUTE
  /** `load` takes ten minutes, `rfm` thirty and `report` twenty. */
  const past = {
    ...{ createdAt: NOW, startedAt: NOW },
    tasks: [
      { taskId: 'load', startedAt: NOW, endedAt: NOW + 10 * MINUTE },
      { taskId: 'rfm', startedAt: NOW + 10 * MINUTE, endedAt: NOW + 40 * MINUTE },
      { taskId: 'report', startedAt: NOW + 40 * MINUTE, endedAt: NOW + 60 * MINUTE },
    ],
  }
  const { run, tasks: rows } = snapshot(sales, {
    load: { state: 'success', startedAt: NOW, endedAt: NOW + 10 * MINUTE, attempt: 1 },
    rfm: { state: 'running', startedAt: NOW + 40 * MINUTE, since: NOW + 40 * MINUTE, attempt: 1 },
  })
  const missed: Alert = {
    ...{ id: 1, key: 'x', kind: 'sla_missed', subject: 'sales', dagId: 'sales', runId: run.id, taskId: null },
    ...{ payload: { deadline: new Date(deadline).toISOString() }, raisedAt: deadline, acknowledgedBy: null },
  }
  const asked: Parameters<Store['dependents']>[0][] = []
  const told = async (
    alert: Alert,
    pastRuns = Array.from({ length: 6 }, () => past),
    taskRuns = rows,
    { now = deadline + 5_000, of = {} }: { now?: number; of?: Partial<Run> } = {},
  ) => {
    const store = {
      run: async () => ({ ...run, state: 'running' as const, startedAt: NOW, ...of }),
      taskRuns: async () => taskRuns,
      dagVersion: async () => sales,
      dag: async () => null,
      runLineage: async () => [],
      pastRuns: async () => pastRuns,
      dependents: async (of: Parameters<Store['dependents']>[0], limit: number) => {
        asked.push(of)
        return { dependents: DEPENDENTS.slice(0, limit), total: 23 }
      },
    }
    const logs = { tail: async () => [{ line: 1, at: '', level: 'info' as const, message: 'scoring' }] }
    const facts = await gatherFacts(store, logs, alert, now, (error) => expect(error).toBeNull())
    return contentOf(alert, facts)
  }

  it('says when it will be done, what keeps it, and what waits', async () => {
    const content = await told(missed)
    expect(Object.fromEntries(content.facts)).toEqual({
      'Due by': 'Fri 20 Nov 2026, 07:00 Paris (06:00 UTC)',
      'Run due': 'Fri 20 Nov 2026, 06:00 Paris (05:00 UTC)',
      State: 'running since 06:00 Paris, 1 h 00 m so far',
      Predicted: '07:30 Paris, 30 m late; p90 07:30 Paris',
      'Because of': 'rfm, running since 06:40 Paris, 20 m so far',
      Tasks: '1 of 3 done, 1 running, 1 waiting',
    })
    expect(content.blocked).toEqual(['report'])
    expect(asked).toEqual([{ dagId: 'sales', tasks: ['rfm', 'report'], tables: ['gold.rfm'] }])
    expect(content.behind).toEqual([
      'board (waits for its run)',
      'stock (waits for gold.rfm)',
      'mails (started by its success)',
      'prices (started by gold.rfm)',
      'plan (reads gold.rfm)',
      'and 18 more',
    ])
    expect(content.log).toEqual(['scoring'])
    expect(content.links[0]).toEqual({ label: 'Open the task', path: `/runs/${run.id}/tasks/rfm` })
  })

  it('names nobody who waits once it has ended well, and all who wait when it has not begun', async () => {
    const { behind } = await told({ ...missed, kind: 'sla_recovered' })
    expect(behind).toEqual([])
    asked.length = 0
    const waiting = snapshot(sales, {}).tasks
    expect((await told(missed, [], waiting)).behind).toHaveLength(6)
    expect(asked.map((of) => of.tasks)).toEqual([['load', 'rfm', 'report']])
    const done = rows.map((row) => ({ ...row, state: 'success' as const }))
    await told({ ...missed, kind: 'checks_failed', taskId: 'rfm' }, [], done)
    expect(asked).toHaveLength(1)
  })

  it('says of a warning what it goes by', async () => {
    const risk = (share: string) =>
      told({ ...missed, kind: 'sla_at_risk', payload: { ...missed.payload, early_warning: share } }, undefined, rows, {
        now: deadline - MINUTE,
      })
    expect((await risk('p90')).summary).toBe('may miss its deadline: due by 07:00 Paris')
    expect((await risk('p50')).summary).toBe('will probably miss its deadline: due by 07:00 Paris')
    expect((await risk('p75')).facts).toContainEqual(['Warned as', '25 in 100 runs like it would be late (p75)'])
    expect((await told(missed)).facts.map(([name]) => name)).not.toContain('Warned as')
    expect((await risk('p90')).footer).toContain('If it misses the deadline, that is told once too.')
    expect((await told({ ...missed, kind: 'run_failed' })).footer).toContain('This is the only message about it.')
  })

  it('says of a failed run which task failed, and why', async () => {
    const failed = rows.map((row) =>
      row.taskId === 'rfm' ? { ...row, state: 'failed' as const, reason: 'exit 3' } : row,
    )
    const { facts } = await told({ ...missed, kind: 'run_failed' }, [], failed)
    expect(facts.filter(([name]) => name === 'Because of')).toEqual([['Because of', 'rfm: exit 3']])
  })

  it('says the day of what was due on another day', async () => {
    const old = { ...missed, kind: 'run_failed' as const, raisedAt: NOW + 20 * 3_600_000 }
    expect((await told(old)).summary).toBe('failed, run due 20 Nov, 06:00 Paris')
    expect((await told({ ...old, raisedAt: NOW })).summary).toBe('failed, run due 06:00 Paris')
  })

  it('says by how much it is told late, and why', async () => {
    const late = { ...missed, raisedAt: deadline + 132 * MINUTE }
    const now = late.raisedAt + 5_000
    const of = async (alert: Alert, about: { now: number; of?: Partial<Run> }) => {
      const { summary, facts } = await told(alert, [], rows, about)
      return [summary, ...facts.filter(([name]) => name.endsWith(' late')).map(([, value]) => value)]
    }
    expect(await of(late, { now })).toEqual([
      'was due by 07:00 Paris, told 2 h 12 m late',
      '2 h 12 m after the deadline; Sluice was down at the deadline, or the DAG was paused',
    ])
    expect(await of(late, { now, of: { createdAt: deadline + 131 * MINUTE } })).toEqual([
      'was due by 07:00 Paris, told 2 h 12 m late',
      '2 h 12 m after the deadline; the run was made only at 09:11 Paris',
    ])
    expect(await of({ ...missed, raisedAt: deadline + MINUTE - 1 }, { now: deadline + MINUTE })).toEqual([
      'was due by 07:00 Paris',
    ])
    expect(await of(missed, { now: deadline + 10 * MINUTE })).toEqual([
      'was due by 07:00 Paris',
      '10 m after it was raised; it could not be sent before',
    ])
    expect(await of({ ...missed, kind: 'sla_recovered' }, { now: deadline + MINUTE })).toHaveLength(1)
  })

  it('calls nobody to a deadline that is over', async () => {
    const risk: Alert = { ...missed, kind: 'sla_at_risk', raisedAt: deadline - 5 * MINUTE }
    const summary = async (now: number) => (await told(risk, [], rows, { now })).summary
    expect(await summary(deadline - 1)).toBe('may miss its deadline: due by 07:00 Paris')
    expect(await summary(deadline)).toBe('was to be warned of before its deadline: due by 07:00 Paris')
  })

  it('shows seconds where something is due between two minutes', async () => {
    const payload = { deadline: new Date(NOW + 20_000).toISOString() }
    const { summary, facts, footer } = await told({ ...missed, payload, raisedAt: NOW + 20_000 }, [], rows)
    expect(summary).toBe('was due by 06:00:20 Paris')
    expect(Object.fromEntries(facts)).toMatchObject({
      'Due by': 'Fri 20 Nov 2026, 06:00:20 Paris (05:00:20 UTC)',
      State: 'running since 06:00:00 Paris, 1 h 00 m so far',
    })
    expect(footer).toContain('Raised at 06:00:20 Paris')
    const retry: Alert = { ...missed, kind: 'task_retry', payload: { retry_at: new Date(NOW + 500).toISOString() } }
    expect((await told(retry, [])).summary, 'fractions are nothing to show').toBe(
      'failed and is tried again at 06:00 Paris',
    )
  })

  it('says what of a silent worker is tried again, and when it was heard of to the second', async () => {
    const gone: Alert = {
      ...{ ...missed, kind: 'worker_gone', subject: 'worker vm-2', dagId: null, runId: null },
      payload: { since: new Date(NOW + 9_109).toISOString(), claims: 2 },
    }
    expect(Object.fromEntries((await told(gone, [])).facts)).toMatchObject({
      'Last heard of': 'Fri 20 Nov 2026, 05:00:09 UTC',
      Held: '2 running tasks; what has tries left is tried again',
    })
    expect((await told({ ...gone, payload: { ...gone.payload, claims: 0 } }, [])).facts).toContainEqual([
      'Held',
      'no running task',
    ])
  })

  it('predicts nothing that it does not know', async () => {
    const names = async (alert: Alert, runs: (typeof past)[]) => (await told(alert, runs)).facts.map(([name]) => name)
    expect(await names(missed, [past])).not.toContain('Predicted')
    expect(await names({ ...missed, kind: 'run_failed' }, Array(6).fill(past))).not.toContain('Predicted')
  })
})
