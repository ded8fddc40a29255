import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../scheduler/alerts/content.js'
import { gatherFacts } from '../../../scheduler/alerts/facts.js'
import { type AlertContent, renderMessage } from '../../../scheduler/alerts/message.js'
import type { Alert } from '../../../scheduler/store/alert-store.js'
import { cronSchedule, dag, NOW, snapshot, task } from '../core/dags.js'

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

describe('an alert about a run that is late', () => {
  const MINUTE = 60_000
  const tasks = [task('load'), task('rfm', ['load']), task('report', ['rfm'])]
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
  const told = async (alert: Alert, pastRuns = Array.from({ length: 6 }, () => past)) => {
    const store = {
      run: async () => ({ ...run, state: 'running' as const, startedAt: NOW }),
      taskRuns: async () => rows,
      dagVersion: async () => sales,
      dag: async () => null,
      runLineage: async () => [],
      pastRuns: async () => pastRuns,
    }
    const logs = { tail: async () => [{ line: 1, at: '', level: 'info' as const, message: 'scoring' }] }
    const facts = await gatherFacts(store, logs, alert, deadline + 5_000, (error) => expect(error).toBeNull())
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
    expect(content.log).toEqual(['scoring'])
    expect(content.links[0]).toEqual({ label: 'Open the task', path: `/runs/${run.id}/tasks/rfm` })
  })

  it('predicts nothing that it does not know', async () => {
    const names = async (alert: Alert, runs: (typeof past)[]) => (await told(alert, runs)).facts.map(([name]) => name)
    expect(await names(missed, [past])).not.toContain('Predicted')
    expect(await names({ ...missed, kind: 'run_failed' }, Array(6).fill(past))).not.toContain('Predicted')
  })
})
