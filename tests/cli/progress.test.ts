import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { progressOf } from '../../cli/output/progress.js'
import type { Terminal } from '../../cli/output/terminal.js'
import type { TaskShape } from '../../scheduler/shapes.js'

const task = (id: string, state: string, more: Partial<TaskShape> = {}): TaskShape => ({
  task: id,
  state,
  attempt: state === 'none' ? 0 : 1,
  started_at: null,
  ended_at: null,
  reason: '',
  tables: [],
  checks: [],
  ...more,
})

function recorder(live: boolean, width = 80): { out: Terminal; text: () => string } {
  let written = ''
  const out: Terminal = {
    print: (text) => {
      written += `${text}\n`
    },
    complain: () => {},
    coloured: false,
    errorsColoured: false,
    live,
    width,
  }
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text)
    return true
  })
  return { out, text: () => written }
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 6, 0, 0) })
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('progress for programs', () => {
  it('is one line per change, with what was written and why', () => {
    const { out, text } = recorder(false)
    const progress = progressOf([task('a', 'none'), task('b', 'none')], out, 24)
    progress.task(task('a', 'scheduled'))
    progress.task(task('a', 'queued'))
    progress.task(task('a', 'running'))
    progress.task(task('a', 'running'))
    const table = {
      table: 'bronze.a',
      version: 3,
      version_before: 2,
      rows_added: 1234,
      rows_updated: 0,
      rows_removed: 5,
    }
    progress.task(task('a', 'success', { tables: [table] }))
    progress.task(task('b', 'upstream_failed', { attempt: 0, reason: 'a failed\u001b[2J' }))
    progress.end()
    expect(text()).toBe(
      [
        '06:00:00 a  running',
        '06:00:00 a  success  bronze.a v3, +1,234 -5 rows',
        '06:00:00 b  upstream_failed  a failed\\x1b[2J',
        '',
      ].join('\n'),
    )
  })

  it('shows each new attempt', () => {
    const { out, text } = recorder(false)
    const progress = progressOf([], out, 24)
    progress.task(task('a', 'running'))
    progress.task(task('a', 'up_for_retry', { reason: 'exit code 1, retry at 06:00:05' }))
    progress.task(task('a', 'running', { attempt: 2 }))
    progress.end()
    expect(text().match(/a {2}running/g)).toHaveLength(2)
  })
})

describe('progress for people', () => {
  it('is redrawn in place when something changes, and each second for the durations', () => {
    const { out, text } = recorder(true)
    const progress = progressOf([task('a', 'none')], out, 24)
    const frames = () => text().split('\u001b[2A\u001b[0J').length
    expect(frames()).toBe(1)
    progress.task(task('a', 'running', { started_at: new Date().toISOString() }))
    vi.advanceTimersByTime(100)
    expect(frames()).toBe(2)
    vi.advanceTimersByTime(500)
    expect(frames()).toBe(2)
    vi.advanceTimersByTime(1_000)
    expect(frames()).toBeGreaterThan(2)
    progress.end()
    vi.advanceTimersByTime(10_000)
    expect(text().endsWith('\u001b[2A\u001b[0J')).toBe(true)
  })

  it('fits the screen, what moves first', () => {
    const { out, text } = recorder(true, 40)
    const many = Array.from({ length: 500 }, (_, index) => task(`t${index}`, index === 400 ? 'running' : 'none'))
    many.push(task('long', 'failed', { reason: 'x'.repeat(200) }))
    progressOf(many, out, 20).end()
    const lines = text().split('\u001b')[0]?.trimEnd().split('\n') ?? []
    expect(lines.length).toBeLessThanOrEqual(17)
    expect(lines[1]).toMatch(/^t400 +running/)
    expect(lines[2]).toMatch(/^long +failed/)
    expect(lines.at(-1)).toBe('… and 486 more tasks')
    expect(lines.every((line) => line.length < 40)).toBe(true)
  })
})
