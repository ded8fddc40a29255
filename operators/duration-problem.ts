import { parseDuration } from '../duration.js'
import type { ConfigProblem } from './operator.js'

/** The pattern of durations lets `1m1h` and a thousand years pass. @param text undefined for a key that is not there */
export function durationProblem(path: string[], text: string | undefined): ConfigProblem[] {
  if (text === undefined || parseDuration(text) !== null) return []
  const message = `\`${path.at(-1)}\` is not a duration: ${text.slice(0, 50)}`
  return [{ path, message, hint: 'write each unit once, the greatest first, at most 100 years: 1h30m' }]
}
