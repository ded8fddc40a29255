import { formatDuration } from '../../duration.js'
import type { Schedule, Trigger } from '../../scheduler/dag/model.js'
import { triggerWords } from '../../scheduler/dag/trigger-words.js'
import { zoneName } from './time.js'

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const NUMBER = /^\d{1,2}$/

/** A schedule in words, as far as there are short ones (`daily at 06:00`), else the cron text itself. */
export function scheduleWords({ crons, everyMs, businessDays, skip }: Schedule): string {
  const when = everyMs === null ? crons.map(cronWords).join(', ') : `every ${formatDuration(everyMs)}`
  const without = [businessDays ? 'weekends' : '', skip.length === 0 ? '' : `${skip.length} days`].filter(
    (part) => part !== '',
  )
  return without.length === 0 ? when : `${when}, not on ${without.join(' and ')}`
}

function cronWords(cron: string): string {
  const [minute = '', hour = '', dayOfMonth = '', month = '', weekday = '', ...more] = cron.trim().split(/\s+/)
  if (more.length > 0 || weekday === '' || month !== '*') return cron
  const step = /^\*\/(\d{1,2})$/
  const anyDay = dayOfMonth === '*' && weekday === '*'
  if (anyDay && hour === '*' && minute === '*') return 'every minute'
  if (anyDay && hour === '*' && step.test(minute)) return `every ${step.exec(minute)?.[1]} m`
  if (anyDay && hour === '*' && NUMBER.test(minute)) return `hourly at :${two(minute)}`
  if (anyDay && step.test(hour) && NUMBER.test(minute)) return `every ${step.exec(hour)?.[1]} h at :${two(minute)}`
  if (!NUMBER.test(minute) || !NUMBER.test(hour)) return cron
  const clock = `${two(hour)}:${two(minute)}`
  if (anyDay) return `daily at ${clock}`
  if (dayOfMonth === '*' && /^[0-7]$/.test(weekday)) return `${WEEKDAYS[Number(weekday)]} at ${clock}`
  if (dayOfMonth === '*' && weekday === '1-5') return `Mon to Fri at ${clock}`
  if (weekday === '*' && NUMBER.test(dayOfMonth)) return `monthly, day ${Number(dayOfMonth)} at ${clock}`
  return cron
}

/** The words with the zone, and what else starts runs: `daily at 06:00 · Paris`; `by hand only` without either. */
export function scheduleLine(schedule: Schedule | null, triggers: readonly Trigger[]): string {
  const time = schedule === null ? [] : [`${scheduleWords(schedule)} · ${zoneName(schedule.timezone)}`]
  const lines = [...time, ...triggers.map(triggerWords)]
  return lines.length === 0 ? 'by hand only' : lines.join(' · ')
}

function two(digits: string): string {
  return digits.padStart(2, '0')
}
