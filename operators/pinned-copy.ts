import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import type { OperatorContext } from './operator.js'
import { isInside, leadsOutside, rootOf } from './project-path.js'

/** In the private folder of an attempt: the copies of the project's files, and of those of a DAGs folder that lies elsewhere. */
export const COPIES = ['files', 'dags'] as const

/**
 * Writes a file that the task names (`x-file`), as the version of the DAG has it, into the attempt's private folder: `../jobs/x.py`
 * of `dags/y.yaml` keeps its place `jobs/x.py` below the folder of the copies.
 * @param what the path with its key, for the refusal
 * @returns the path of the copy
 * @throws SluiceError PATH_OUTSIDE
 */
export function pinnedCopy(file: string, what: string, ctx: OperatorContext): string {
  const path = resolve(ctx.dag.folder, file)
  const root = rootOf(path, ctx.roots)
  if (root === null) throw leadsOutside(what)
  return writtenCopy(
    join(ctx.workDir, root === ctx.project ? COPIES[0] : COPIES[1], relative(root, path)),
    ctx.file(file),
  )
}

/** Where the copies are, absolute: one folder, and a second where the DAGs folder lies outside the project. */
export function copyFolders({ workDir, project, roots }: OperatorContext): string[] {
  const isOneOutside = roots.some((root) => !isInside(root, project))
  return COPIES.slice(0, isOneOutside ? 2 : 1).map((copies) => join(workDir, copies))
}

/** Writes a text with the folders it needs, and returns its path. */
export function writtenCopy(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}
