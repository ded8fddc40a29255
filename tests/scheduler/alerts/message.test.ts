import { describe, expect, it } from 'vitest'
import { type AlertContent, renderMessage } from '../../../scheduler/alerts/message.js'

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

  it('loads nothing from anywhere', () => {
    const links = [{ label: 'Open', path: '/dags/sales' }]
    const { html } = renderMessage({ ...CONTENT, links }, 'https://s.example.com/sluice/')
    expect(html).not.toMatch(/<img|<link|<script|url\(|src=/)
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual([
      'https://s.example.com/sluice/dags/sales',
    ])
  })
})
