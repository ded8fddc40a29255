import type { Problem } from '../../scheduler/dag/model.js'
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
    files: files.slice(0, FILES_SHOWN).map(([, found]) => ({
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
