import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { SluiceError } from '../errors.js'
import { operators } from '../operators/index.js'
import { type Config, webhookNames } from '../scheduler/config.js'
import { broken, type CompileOptions, compileContext, compileDag } from '../scheduler/dag/compile.js'
import { readDagFile } from '../scheduler/dag/compile-files.js'
import { LIMITS } from '../scheduler/dag/guard.js'
import { type FolderReading, loadFolder } from '../scheduler/dag/load-folder.js'
import type { Problem } from '../scheduler/dag/model.js'

/** DAGs and problems, with `file` relative to the project: what a person types and an editor opens. */
export type CheckedDags = Pick<FolderReading, 'dags' | 'problems'>

/** What DAG files may refer to, by the names in `sluice.yaml`; no secret is resolved for it. */
export function compileOptions(config: Config): CompileOptions {
  return {
    operators,
    project: config.project,
    dags: config.dags,
    vars: Object.keys(config.vars),
    pools: Object.keys(config.pools),
    calendars: config.calendars,
    webhooks: webhookNames(config),
  }
}

/**
 * Validates the project's DAGs, or only what lies at the given paths. Files inside the DAGs folder are always read together
 * with their neighbours, so that two of the same id are found.
 * @param paths files or folders, relative to the working folder
 * @throws SluiceError WRONG_USE for a path that does not exist
 */
export async function checkDags(config: Config, paths: readonly string[]): Promise<CheckedDags> {
  const options = compileOptions(config)
  if (paths.length === 0) return inProject(await loadFolder(options), options)
  const wanted = paths.map((path) => existing(resolve(path)))
  const inside = wanted.filter((path) => isBelow(path, config.dags))
  const parts: CheckedDags[] = []
  if (inside.length > 0) parts.push(inProject(only(await loadFolder(options), inside, options), options))
  for (const path of wanted.filter((path) => !inside.includes(path))) parts.push(await checkOutside(path, options))
  return { dags: parts.flatMap(({ dags }) => dags), problems: parts.flatMap(({ problems }) => problems) }
}

/**
 * One line of a file of the project.
 * @returns null when there is none, or none that could be shown
 */
export function lineOf(project: string, problem: Problem): string | null {
  let handle: number
  try {
    handle = openSync(resolve(project, problem.file), 'r')
  } catch {
    return null // the problem says that it cannot be read
  }
  try {
    const bytes = Buffer.alloc(LIMITS.fileBytes)
    const text = bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, 0)).toString('utf8')
    const line = text.split(/\r?\n/, problem.line)[problem.line - 1]
    return line === undefined || line.trim() === '' || text.includes('\u0000') ? null : line
  } catch {
    return null // a folder, a device
  } finally {
    closeSync(handle)
  }
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
      .filter(isWanted)
      .flatMap((file) => compileOne(file, options).problems.map((problem) => problem.file)),
  )
  return {
    dags: reading.dags.filter((dag) => isWanted(dag.file)),
    problems: reading.problems.filter(({ file }) => isWanted(file) || named.has(file)),
  }
}

function existing(path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path
  throw new SluiceError('WRONG_USE', `There is nothing at ${path}.`, { hint: 'Name DAG files or folders of them.' })
}

/** The path itself or something below it. */
function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}
