import { DEFAULTS_FILE, type Problem } from '../../scheduler/dag/model.js'
import { groupBy } from './group-by.js'
import { countOf } from './numbers.js'
import { richText } from './rich-text.js'

const FILES_SHOWN = 10
const PROBLEMS_SHOWN = 5

/** The files that do not load, each with its first problems; null when all are well. */
export function problemsView(problems: readonly Problem[]) {
  const errors = problems.filter((problem) => problem.severity === 'error')
  const files = [...groupBy(errors, (problem) => problem.file)]
  if (files.length === 0) return null
  return {
    heading: files.length === 1 ? '1 file does not load.' : `${files.length} files do not load.`,
    more: files.length > FILES_SHOWN ? `and ${countOf(files.length - FILES_SHOWN, 'more file')}` : '',
    files: files.slice(0, FILES_SHOWN).map(([file, found]) => ({
      file,
      problems: found.slice(0, PROBLEMS_SHOWN).map((problem) => ({
        place: `${problem.file}:${problem.line}:${problem.column}`,
        message: richText(problem.message),
        hint: richText(problem.hint),
      })),
      more:
        found.length > PROBLEMS_SHOWN
          ? `and ${countOf(found.length - PROBLEMS_SHOWN, 'more problem')} in this file`
          : '',
    })),
  }
}

/**
 * The same with what goes on of each file.
 * @param running the files among them that a registered DAG comes from
 */
export function withWhatRuns(view: ReturnType<typeof problemsView>, running: ReadonlySet<string>) {
  if (view === null) return null
  return { ...view, files: view.files.map((file) => ({ ...file, note: noteOn(file.file, running) })) }
}

function noteOn(file: string, running: ReadonlySet<string>): string {
  if (running.has(file)) return 'Its last good version keeps running.'
  const isDag = /\.ya?ml$/i.test(file) && !`/${file}`.endsWith(`/${DEFAULTS_FILE}`)
  if (isDag) return 'It was never good, so nothing runs from it.'
  return 'DAGs that depend on it keep their last good version.'
}
