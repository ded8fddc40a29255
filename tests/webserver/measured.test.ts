import { describe, expect, it } from 'vitest'
import { measuredView, progressView } from '../../webserver/present/measured.js'

describe('what an attempt measured', () => {
  it('is told in people’s words', () => {
    const view = measuredView({
      spark_application: 'app-20261121085100-0003',
      spark_driver: 'driver-20261121085042-0007',
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
      'Driver: driver-20261121085042-0007',
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
  [{ done: 37, total: 42, unit: 'tasks', stages_done: 2, stages: 3 }, '37 of 42 tasks', '2 of 3 stages so far'],
  [{ done: 0, total: 8, unit: 'tasks', stages_done: 0, stages: 1 }, '0 of 8 tasks', '0 of 1 stage so far'],
])('the progress %j', (progress, value, note) => {
  expect(progressView(progress)).toMatchObject({ value, note, outside: [] })
})

it.each([
  [{ done: 37, total: 42 }, '88 %'],
  [{ done: 0, total: 42 }, '0 %'],
  [{ done: 42, total: 42 }, '100 %'],
  [{ done: 43, total: 42 }, '100 %'],
  [{ done: 5 }, ''],
  [{ state: 'queued', done: 0, total: 0 }, ''],
])('the progress %j is this share of the whole: %j', (progress, share) => {
  expect(progressView(progress)?.share).toBe(share)
})

it('names what runs outside, before it has done anything', () => {
  expect(progressView({ application: 'app-1', driver: 'driver-1', url: 'http://spark:4040' })).toMatchObject({
    value: '',
    outside: [
      { term: 'Application', id: 'app-1', href: 'http://spark:4040' },
      { term: 'Driver', id: 'driver-1', href: '' },
    ],
  })
})

it.each([[null], [[]], [{}], [{ url: 'http://spark:4040' }]])('no progress: %j', (progress) => {
  expect(progressView(progress)).toBeNull()
})

it('links a query to the page of its engine, and to nothing else', () => {
  const at = (url: string) => progressView({ state: 'running', query: '2026_1', url })?.outside[0]?.href
  expect([at('https://trino:8443/ui/query.html?2026_1'), at('javascript:alert(1)')]).toEqual([
    'https://trino:8443/ui/query.html?2026_1',
    '',
  ])
})
