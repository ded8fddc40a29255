import { links } from './links.js'
import { countOf } from './numbers.js'
import { richText, type TextPart } from './rich-text.js'
import type { RunFacts } from './run-view.js'

export interface NoteView {
  state: string
  glyph: string
  heading: string
  text: TextPart[]
  href: string
  link: string
}

const SHOWN = 3

/** What a reader must know first: the run's own reason, then each failed task with its cause and where to look. */
export function notesView({ run, tasks, lineage }: RunFacts): NoteView[] {
  const failed = tasks.filter((task) => task.state === 'failed')
  const notes = failed.slice(0, SHOWN).map((task) => {
    const checks = lineage.filter((entry) => entry.taskId === task.taskId).at(-1)?.checks ?? []
    const gate = checks.some((check) => !check.passed && check.severity === 'error')
    return {
      state: 'failed',
      glyph: 'failed',
      heading: gate ? `${task.taskId} failed its gate.` : `${task.taskId} failed.`,
      text: richText(task.reason),
      href: gate ? '#checks' : links.task(run.id, task.taskId),
      link: gate ? 'See the check' : 'See the log',
    }
  })
  if (failed.length > SHOWN)
    notes.push(
      note('failed', 'failed', `${countOf(failed.length - SHOWN, 'more task')} failed.`, 'The table below says why.'),
    )
  if (run.reason !== '' && failed.length === 0)
    notes.push(
      note(run.state === 'cancelled' ? 'cancelled' : 'running', run.state, `The run is ${run.state}.`, run.reason),
    )
  return notes
}

function note(state: string, glyph: string, heading: string, text: string): NoteView {
  return { state, glyph, heading, text: richText(text), href: '', link: '' }
}
