import { describe, expect, it } from 'vitest'
import { measuredView, progressView } from '../../webserver/present/measured.js'

describe('what an attempt measured', () => {
  it('is told in people’s words', () => {
    const view = measuredView({
      spark_application: 'app-20261121085100-0003',
      foreign_reads: ['postgresql.public.orders', 'memory.default.rates'],
      rows_read: 8_412_903,
      bytes_read: 18_400_000_000,
      rows_written: 1,
      bytes_written: 0,
      tasks: 1_205,
      failed_tasks: 2,
      stages: 12,
      task_time_ms: 600_000,
      gc_time_ms: 60_000,
      shuffle_read_bytes: 2_900,
      shuffle_written_bytes: 3_000,
      spilled_bytes: 512,
    })
    expect(view.map(({ term, value, note }) => `${term}: ${value}${note === '' ? '' : ` (${note})`}`)).toEqual([
      'Application: app-20261121085100-0003',
      'Also read: postgresql.public.orders, memory.default.rates (outside of the lakehouse, without versions)',
      'Input: 8,412,903 rows, 18.4 GB',
      'Output: 1 row',
      'Work: 1,205 tasks (in 12 stages, 2 failed tasks)',
      'Task time: 10 m 00 s (1 m 00 s (10 %) collecting garbage)',
      'Shuffle: 3.0 kB written, 2.9 kB read',
      'Spilled: 512 B (to disk, for want of memory)',
    ])
  })

  it.each([[null], [[]], [{}], [{ rows: 5, gated: false }], [{ tasks: '7' }]])('says nothing of %j', (metrics) => {
    expect(measuredView(metrics)).toEqual([])
  })
})

it.each([
  [{ done: 3, total: 8, unit: 'tasks' }, '3 of 8 tasks', ''],
  [{ done: 1_000, total: 2_000 }, '1,000 of 2,000', ''],
  [{ done: 1_000, unit: 'rows' }, '1,000 rows', ''],
  [{ state: 'queued', step: 'publishing' }, 'publishing, queued', ''],
  [
    { step: 'staging', state: 'running', done: 3, total: 8, unit: 'splits', rows: 12_000, bytes: 2_000_000 },
    '3 of 8 splits',
    'staging, running: 12,000 rows, 2.0 MB read',
  ],
])('the progress %j', (progress, value, note) => {
  expect(progressView(progress)).toEqual({ value, note, query: '', href: '' })
})

it.each([[null], [[]], [{}], [{ query: 'q' }]])('no progress: %j', (progress) => {
  expect(progressView(progress)).toBeNull()
})

it('links a query to the page of its engine, and to nothing else', () => {
  const at = (url: string) => progressView({ state: 'running', query: '2026_1', url })?.href
  expect([at('https://trino:8443/ui/query.html?2026_1'), at('javascript:alert(1)')]).toEqual([
    'https://trino:8443/ui/query.html?2026_1',
    '',
  ])
})
