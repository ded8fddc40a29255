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
 * `spilled_bytes`, `spark_application`, `foreign_reads`; others are not shown.
 */
export function measuredView(metrics: Json): Measured[] {
  if (metrics === null || typeof metrics !== 'object' || Array.isArray(metrics)) return []
  const figure = (key: string): number => (typeof metrics[key] === 'number' ? metrics[key] : 0)
  const lines: Measured[] = []
  const line = (term: string, value: string, note = '') => {
    if (value !== '') lines.push({ term, value, note })
  }
  line('Application', typeof metrics.spark_application === 'string' ? metrics.spark_application : '')
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

/** `3 of 8 tasks`; empty without progress that counts. */
export function progressText(progress: Json): string {
  if (progress === null || typeof progress !== 'object' || Array.isArray(progress)) return ''
  const { done, total, unit } = progress
  if (typeof done !== 'number' || typeof total !== 'number') return ''
  return `${count(done)} of ${count(total)}${typeof unit === 'string' ? ` ${unit}` : ''}`
}

function rowsAndBytes(rows: number, size: number): string {
  return joined(rows === 0 ? '' : countOf(rows, 'row'), size === 0 ? '' : bytes(size))
}

function joined(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(', ')
}
