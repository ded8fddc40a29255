import { existsSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { codeOf, SluiceError } from '../errors.js'
import { operators } from '../operators/index.js'
import { realRoots } from '../operators/project-path.js'
import { compileOptions } from '../scheduler/compile-options.js'
import type { Config } from '../scheduler/config.js'
import { broken, type CompileOptions, compileContext, compileDag } from '../scheduler/dag/compile.js'
import { readDagFile } from '../scheduler/dag/compile-files.js'
import { whyLeftOut } from '../scheduler/dag/list-files.js'
import { type FolderReading, loadFolder } from '../scheduler/dag/load-folder.js'
import { DEFAULTS_FILE, type Problem } from '../scheduler/dag/model.js'
import { readFileBelow } from '../scheduler/dag/named-files.js'

/** DAGs and problems, with `file` relative to the project: what a person types and an editor opens. */
export type CheckedDags = Pick<FolderReading, 'dags' | 'problems'>

/**
 * Validates the project's DAGs, or only what lies at the given paths. Files inside the DAGs folder are always read together
 * with their neighbours, so that two of the same id are found.
 * @param paths files or folders, relative to the working folder
 * @throws SluiceError WRONG_USE for a path that does not exist, or that is not read, with the reason
 */
export async function checkDags(config: Config, paths: readonly string[]): Promise<CheckedDags> {
  const options = compileOptions(config, operators)
  if (paths.length === 0) return inProject(await loadFolder(options), options)
  const wanted = paths.map((path) => existing(resolve(path)))
  const inside = wanted.filter((path) => isBelow(path, config.dags))
  const parts: CheckedDags[] = []
  if (inside.length > 0) {
    const reading = await loadFolder(options)
    for (const path of inside) refuseUnread(path, reading, config.dags)
    parts.push(inProject(only(reading, inside, options), options))
  }
  for (const path of wanted.filter((path) => !inside.includes(path))) parts.push(await checkOutside(path, options))
  return { dags: parts.flatMap(({ dags }) => dags), problems: parts.flatMap(({ problems }) => problems) }
}

/**
 * The lines that problems stand on.
 * @param paths as given to `checkDags`
 * @returns for a problem its line; null when there is none, or none that could be shown: what is no text, or leads by a link out of
 *   the project and of the folders that were named
 */
export function lineReader(config: Config, paths: readonly string[]): (problem: Problem) => string | null {
  const folders = [config.project, config.dags, ...paths.map((path) => folderOf(resolve(path)))]
  // what is checked may lie elsewhere, in a project without a DAGs folder
  const roots = realRoots(folders.filter((folder) => existsSync(folder)))
  return ({ file, line }) => {
    const read = readFileBelow(resolve(config.project, file), file, roots)
    const text = 'text' in read ? read.text.split(/\r?\n/, line)[line - 1] : undefined
    return text === undefined || text.trim() === '' ? null : text
  }
}

function folderOf(path: string): string {
  return statSync(path).isDirectory() ? path : dirname(path)
}

/** A file or folder outside the DAGs folder is checked as if its folder were one. */
async function checkOutside(path: string, options: CompileOptions): Promise<CheckedDags> {
  const isFolder = statSync(path).isDirectory()
  const there = { ...options, dags: isFolder ? path : dirname(path) }
  return inProject(isFolder ? await loadFolder(there) : compileOne(basename(path), there), there)
}

function compileOne(file: string, options: CompileOptions): CheckedDags {
  const context = compileContext(options)
  const read = readDagFile(file, context)
  const { dag, problems } = 'problem' in read ? broken(file, [read.problem]) : compileDag(file, read.bytes, context)
  return { dags: dag === null ? [] : [dag], problems }
}

function inProject({ dags, problems }: CheckedDags, options: CompileOptions): CheckedDags {
  const shown = (file: string) => {
    const path = relative(options.project, join(options.dags, file))
    return (isBelow(join(options.dags, file), options.project) ? path : join(options.dags, file)).split(sep).join('/')
  }
  return {
    dags: dags.map((dag) => ({ ...dag, file: shown(dag.file) })),
    problems: problems.map((problem) => ({ ...problem, file: shown(problem.file) })),
  }
}

/** What of a reading concerns these paths: their files, and the faults in files (SQL) that those name. */
function only(reading: FolderReading, paths: readonly string[], options: CompileOptions): CheckedDags {
  const isWanted = (file: string) => paths.some((path) => isBelow(join(options.dags, file), path))
  const named = new Set(
    reading.broken
      .filter((file) => isWanted(file) && !file.endsWith('/'))
      .flatMap((file) => compileOne(file, options).problems.map((problem) => problem.file)),
  )
  return {
    dags: reading.dags.filter((dag) => isWanted(dag.file)),
    problems: reading.problems.filter(({ file }) => isWanted(file) || named.has(file)),
  }
}

/** Silence about a file that was named would be taken for praise. */
function refuseUnread(path: string, { dags, broken, problems }: FolderReading, folder: string): void {
  const below = relative(folder, path).split(sep).join('/')
  const isFolder = statSync(path).isDirectory()
  const named = new Set(
    dags.flatMap((dag) => Object.keys(dag.files).map((name) => join(folder, dirname(dag.file), name))),
  )
  if (below === '' || named.has(path) || problems.some(({ file }) => isBelow(join(folder, file), path))) return
  const reason = whyLeftOut(folder, below, isFolder)
  const isDag = broken.includes(below) || dags.some(({ file }) => file === below)
  if (reason === null && (isFolder || isDag || basename(path) === DEFAULTS_FILE)) return
  throw new SluiceError('WRONG_USE', `${path} is not read: ${reason === null ? 'no DAG' : `it ${reason}`}.`, {
    hint: 'Name DAG files, files that DAGs name, or folders of them; docs/reference/dag.md says what is left out.',
  })
}

function existing(path: string): string {
  let stat: Stats | undefined
  try {
    stat = statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const code = codeOf(error) || 'unknown error'
    throw new SluiceError('WRONG_USE', `${path} cannot be looked at (${code}).`, {
      cause: error,
      hint: 'Check the permissions of the folders above it.',
    })
  }
  if (stat !== undefined) return path
  throw new SluiceError('WRONG_USE', `There is nothing at ${path}.`, { hint: 'Name DAG files or folders of them.' })
}

/** The path itself or something below it. */
function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}
