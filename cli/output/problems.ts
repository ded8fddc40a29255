import type { Problem } from '../../scheduler/dag/model.js'
import { harmless, paint } from './style.js'
import type { Terminal } from './terminal.js'

/**
 * A problem for a person: where, what, the line it stands on with a caret below, and what to do.
 * @param sourceLine the text of the line; null when it cannot be shown (a binary file, a line beyond the end)
 */
export function formatProblem(problem: Problem, sourceLine: string | null, out: Terminal): string {
  const colour = problem.severity === 'error' ? 'red' : 'yellow'
  const place = `${harmless(problem.file)}:${problem.line}:${problem.column}`
  const lines = [
    `${paint(place, 'bold', out.coloured)} ${paint(`${problem.severity}:`, colour, out.coloured)} ${harmless(problem.message)}`,
  ]
  if (sourceLine !== null) lines.push(...excerpt(problem, sourceLine, out))
  if (problem.hint !== '') lines.push(`  ${paint('hint:', 'cyan', out.coloured)} ${harmless(problem.hint)}`)
  return lines.join('\n')
}

/** The line and a caret below its column; a long line is cut around the caret. */
function excerpt(problem: Problem, sourceLine: string, out: Terminal): string[] {
  const number = String(problem.line)
  const room = Math.max(20, out.width - number.length - 5)
  const from = Math.max(0, problem.column - 1 - Math.floor(room / 2))
  const shown = sourceLine.slice(from, from + room)
  // Tabs and control characters are one blank each, so that the caret stands where it should.
  const text = shown.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
  const margin = paint(`${number} |`, 'grey', out.coloured)
  const blank = paint(`${' '.repeat(number.length)} |`, 'grey', out.coloured)
  return [
    `  ${margin} ${text}`,
    `  ${blank} ${' '.repeat(problem.column - 1 - from)}${paint('^', 'red', out.coloured)}`,
  ]
}
