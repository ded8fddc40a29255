import { type Dirent, existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, SluiceError } from '../../errors.js'
import { DEFAULTS_FILE, type Problem } from './model.js'

/** What makes a folder a project: it is no DAG itself, and the folders below ours that have one are others' projects. */
const PROJECT_FILE = 'sluice.yaml'
const FILES_LIMIT = 20_000
const DEPTH_LIMIT = 20
const DAG_FILE = /\.ya?ml$/i

/** The files of a DAGs folder that are read as DAGs; paths are below it, with forward slashes. */
export interface FileList {
  files: string[]
  /** all that were looked into, the folder itself as '' */
  folders: string[]
  /** folders that could not be looked into, each with a `/` at its end: what was good in them is kept */
  unread: string[]
  problems: Problem[]
}

/**
 * Lists a DAGs folder. A folder below it that cannot be read is told as a problem and stops none of the others.
 * @throws SluiceError CONFIG_INVALID when the DAGs folder itself cannot be read
 */
export function listFiles(dags: string): FileList {
  const list: FileList = { files: [], folders: [], unread: [], problems: [] }
  const visit = (folder: string, depth: number) => {
    const entries = depth > DEPTH_LIMIT ? tooDeep(folder, list) : entriesOf(dags, folder, list)
    if (depth > 0 && entries.some(({ name }) => name === PROJECT_FILE)) return
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (leftOut(path, entry.isDirectory()) !== null) continue
      if (entry.isDirectory()) visit(path, depth + 1)
      else if (entry.name !== DEFAULTS_FILE) list.files.push(path)
    }
  }
  visit('', 0)
  const tooMany = list.files.splice(FILES_LIMIT)
  if (tooMany.length > 0) {
    const message = `the folder holds more than ${FILES_LIMIT} DAG files; this one and ${tooMany.length - 1} more are not read`
    list.problems.push(problemOf(tooMany[0] ?? '', message, ''))
  }
  return list
}

/**
 * Why what lies at a path below the DAGs folder is not read, as the rest of a sentence that begins with the path; null when no
 * rule leaves it out.
 */
export function whyLeftOut(dags: string, path: string, isFolder: boolean): string | null {
  const segments = path.split('/')
  for (const [index] of segments.entries()) {
    const above = segments.slice(0, index + 1).join('/')
    const isLast = index === segments.length - 1
    const reason = leftOut(above, isFolder || !isLast)
    if (reason !== null) return isLast ? reason : `lies in ${above}, which ${reason}`
    if (isLast && !isFolder) return null
    if (lstatSync(join(dags, above)).isSymbolicLink()) return `lies in ${above}, which is a link to a folder`
    if (existsSync(join(dags, above, PROJECT_FILE)))
      return `lies in ${above}, which is a project of its own (it has a ${PROJECT_FILE})`
  }
  return null
}

function leftOut(path: string, isFolder: boolean): string | null {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name.startsWith('.')) return 'begins with a dot'
  if (name === 'node_modules') return 'is a folder of packages'
  // where a project that is its own DAGs folder has its store and its tables
  if (path === 'data') return 'is the folder for data'
  if (path === PROJECT_FILE) return 'is the configuration of the project'
  return isFolder || DAG_FILE.test(name) ? null : 'is no DAG file (*.yaml or *.yml)'
}

function entriesOf(dags: string, folder: string, list: FileList): Dirent[] {
  try {
    const entries = readdirSync(join(dags, folder), { withFileTypes: true })
    list.folders.push(folder)
    return entries
  } catch (error) {
    if (folder === '') {
      throw new SluiceError('CONFIG_INVALID', `The DAGs folder ${dags} cannot be read.`, {
        cause: error,
        hint: 'Create the folder, or name another one with `dags:` in sluice.yaml.',
      })
    }
    const code = codeOf(error) || 'unknown error'
    return unread(folder, `the folder cannot be read (${code})`, 'check its permissions', list)
  }
}

function tooDeep(folder: string, list: FileList): Dirent[] {
  return unread(folder, `the folder lies more than ${DEPTH_LIMIT} folders deep and is not read`, 'move it up', list)
}

function unread(folder: string, message: string, hint: string, list: FileList): Dirent[] {
  list.unread.push(`${folder}/`)
  list.problems.push(problemOf(`${folder}/`, message, hint))
  return []
}

function problemOf(file: string, message: string, hint: string): Problem {
  return { file, line: 1, column: 1, path: '', severity: 'error', message, hint }
}
