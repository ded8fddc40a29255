import type { Json } from '../../json.js'
import { duration } from './duration.js'
import { bytes, count, countOf } from './numbers.js'

/** What an attempt measured, in people's words: one line a subject. */
export interface Measured {
  term: string
  value: string
  note: string
}

/**
 * The metrics of an attempt. Operators name them by these keys: `rows_read`, `bytes_read`, `rows_written`, `bytes_written`,
 * `tasks`, `failed_tasks`, `stages`, `task_time_ms`, `gc_time_ms`, `shuffle_read_bytes`, `shuffle_written_bytes`,
 * `spilled_bytes`, `spark_application`, `spark_driver`, `foreign_reads`; others are not shown.
 */
export function measuredView(metrics: Json): Measured[] {
  if (metrics === null || typeof metrics !== 'object' || Array.isArray(metrics)) return []
  const figure = (key: string): number => (typeof metrics[key] === 'number' ? metrics[key] : 0)
  const lines: Measured[] = []
  const line = (term: string, value: string, note = '') => {
    if (value !== '') lines.push({ term, value, note })
  }
  line('Application', typeof metrics.spark_application === 'string' ? metrics.spark_application : '')
  line('Driver', typeof metrics.spark_driver === 'string' ? metrics.spark_driver : '')
  const foreign = Array.isArray(metrics.foreign_reads) ? metrics.foreign_reads.map(String) : []
  line('Also read', foreign.join(', '), 'outside of the lakehouse, without versions')
  line('Input', rowsAndBytes(figure('rows_read'), figure('bytes_read')))
  line('Output', rowsAndBytes(figure('rows_written'), figure('bytes_written')))
  const failed = figure('failed_tasks')
  const stages = figure('stages') === 0 ? '' : `in ${countOf(figure('stages'), 'stage')}`
  const failures = failed === 0 ? '' : `${countOf(failed, 'failed task')}`
  line('Work', figure('tasks') + failed === 0 ? '' : countOf(figure('tasks'), 'task'), joined(stages, failures))
  const gc = figure('gc_time_ms')
  const share = figure('task_time_ms') === 0 ? 0 : Math.round((100 * gc) / figure('task_time_ms'))
  const collected = gc === 0 ? '' : `${duration(gc)} (${share} %) collecting garbage`
  line('Task time', figure('task_time_ms') === 0 ? '' : duration(figure('task_time_ms')), collected)
  const [read, written] = [figure('shuffle_read_bytes'), figure('shuffle_written_bytes')]
  line('Shuffle', read + written === 0 ? '' : `${bytes(written)} written, ${bytes(read)} read`)
  line('Spilled', figure('spilled_bytes') === 0 ? '' : bytes(figure('spilled_bytes')), 'to disk, for want of memory')
  return lines
}

/** How a running attempt goes, in people's words. */
export interface Progress {
  /** `3 of 8 splits`; else what it is at */
  value: string
  /** `staging, running: 1,000 rows, 2.0 MB read` */
  note: string
  /** `88 %` and `88%`, to be drawn; empty when it is not known how much there is to do */
  share: string
  width: string
  /** what runs outside for it, and where that shows itself; `href` is empty when nobody knows */
  outside: { term: string; id: string; href: string }[]
}

/** What an operator names by its id, under this key, and how people call it. */
const OUTSIDE: readonly (readonly [key: string, term: string])[] = [
  ['query', 'Query'],
  ['application', 'Application'],
  ['driver', 'Driver'],
]

/**
 * The progress of an attempt; null when it says nothing yet. Stages are of the jobs that have begun: more may come. Operators give what they know of `done`, `total` and `unit`,
 * `stages_done` and `stages`, `step` and `state`, `rows` and `bytes` read so far, of `query`, `application` and `driver`, and
 * of the `url` where the first of these shows itself.
 */
export function progressView(progress: Json): Progress | null {
  if (progress === null || typeof progress !== 'object' || Array.isArray(progress)) return null
  const word = (key: string): string => (typeof progress[key] === 'string' ? progress[key] : '')
  const figure = (key: string): number | null => (typeof progress[key] === 'number' ? progress[key] : null)
  const [done, total] = [figure('done'), figure('total')]
  const counted =
    done === null ? '' : `${count(done)}${total === null ? '' : ` of ${count(total)}`} ${word('unit')}`.trim()
  const stages = figure('stages') ?? 0
  const passed = stages === 0 ? '' : `${count(figure('stages_done') ?? 0)} of ${countOf(stages, 'stage')} so far`
  const at = joined(word('step'), word('state'), passed)
  const taken = rowsAndBytes(figure('rows') ?? 0, figure('bytes') ?? 0)
  const value = counted === '' ? at : counted
  const note = [counted === '' ? '' : at, taken === '' ? '' : `${taken} read`].filter((part) => part !== '').join(': ')
  const url = /^https?:\/\//.test(word('url')) ? word('url') : ''
  const outside = OUTSIDE.map(([key, term]) => ({ term, id: word(key), href: '' })).filter(({ id }) => id !== '')
  if (value === '' && outside.length === 0) return null
  const percent =
    done === null || total === null || total <= 0 ? null : Math.floor((100 * Math.min(done, total)) / total)
  return {
    value,
    note,
    share: percent === null ? '' : `${percent} %`,
    width: percent === null ? '' : `${percent}%`,
    outside: outside.map((one, place) => (place === 0 ? { ...one, href: url } : one)),
  }
}

function rowsAndBytes(rows: number, size: number): string {
  return joined(rows === 0 ? '' : countOf(rows, 'row'), size === 0 ? '' : bytes(size))
}

function joined(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(', ')
}
