import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SluiceError } from '../../errors.js'
import { type Compiled, type CompileOptions, compileContext } from './compile.js'
import { type CompiledFile, compileFiles, isUntouched } from './compile-files.js'
import { type Dag, DEFAULTS_FILE, type Problem } from './model.js'
import { otherDagProblems } from './other-dags.js'
import { sortedProblems } from './report.js'

/** One reading of a whole DAGs folder. */
export interface FolderReading {
  /** the good DAGs, by file */
  dags: Dag[]
  /** files (as in `Dag.file`) that hold an error; a DAG known from one of them keeps its last good version */
  broken: string[]
  /** of all files, by file and place */
  problems: Problem[]
}

/** What makes a folder a project: it is no DAG itself, and the folders below ours that have one are others' projects. */
const PROJECT_FILE = 'sluice.yaml'
/** Folders that hold no DAGs, whatever else they hold. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'data'])
const FILES_LIMIT = 20_000
const DEPTH_LIMIT = 20

/** Reads a DAGs folder again and again; only what has changed, or names a file that has, is compiled anew. */
export class DagFolder {
  #kept: ReadonlyMap<string, CompiledFile> = new Map()
  #folders: string[] = []

  constructor(readonly options: CompileOptions) {}

  /** @throws SluiceError CONFIG_INVALID when there is no such folder */
  async read(): Promise<FolderReading> {
    const found = listFiles(this.options.dags)
    // anew each time: a checkout may put another folder in place of the one read before
    const context = compileContext(this.options)
    const changed = found.files.filter((file) => !isUntouched(file, this.#kept.get(file), context))
    const compiled = await compileFiles(changed, context)
    const kept = new Map<string, CompiledFile>()
    for (const file of found.files) {
      const one = compiled.get(file) ?? this.#kept.get(file)
      if (one !== undefined) kept.set(file, one)
    }
    this.#kept = kept
    this.#folders = foldersOf(this.options.dags, found.folders, kept)
    return reading(kept, found.problems)
  }

  /** Absolute paths of the folders whose files made up the last reading, those of named files among them. */
  folders(): readonly string[] {
    return this.#folders
  }
}

function foldersOf(dags: string, visited: readonly string[], kept: ReadonlyMap<string, CompiledFile>): string[] {
  const folders = new Set(visited.map((folder) => join(dags, folder)))
  for (const [file, { compiled }] of kept) {
    for (const name of compiled.named.keys()) folders.add(dirname(join(dags, dirname(file), name)))
  }
  return [...folders]
}

/** Reads a DAGs folder once. */
export function loadFolder(options: CompileOptions): Promise<FolderReading> {
  return new DagFolder(options).read()
}

/** Two good files with the same id: neither may win by chance, so both are broken. */
function reading(kept: ReadonlyMap<string, CompiledFile>, problems: Problem[]): FolderReading {
  const filesById = new Map<string, string[]>()
  for (const [file, { compiled }] of kept) {
    if (compiled.dagId !== null) filesById.set(compiled.dagId, [...(filesById.get(compiled.dagId) ?? []), file])
  }
  const dags: Dag[] = []
  const bad: string[] = []
  for (const [file, { compiled }] of kept) {
    problems.push(...compiled.problems)
    const others = (filesById.get(compiled.dagId ?? '') ?? []).filter((other) => other !== file)
    if (others.length > 0) problems.push(sameId(file, compiled, others))
    if (compiled.dag !== null && others.length === 0) dags.push(compiled.dag)
    else bad.push(file)
  }
  const nameless = [...kept.values()].some(({ compiled }) => compiled.dagId === null)
  const wrong = otherDagProblems(dags, nameless ? null : new Set(filesById.keys()))
  const refused = new Set(wrong.map(({ file }) => file))
  return {
    dags: dags.filter(({ file }) => !refused.has(file)),
    broken: [...bad, ...refused],
    problems: sortedProblems(once([...problems, ...wrong])),
  }
}

/** What is wrong in a file that several DAGs share is told once. */
function once(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

function sameId(file: string, compiled: Compiled, others: readonly string[]): Problem {
  return {
    file,
    ...compiled.idPosition,
    path: 'dag',
    severity: 'error',
    message: `the id \`${compiled.dagId}\` is also that of ${others.slice(0, 5).join(', ')}`,
    hint: 'give each DAG an id of its own',
  }
}

function listFiles(dags: string): { files: string[]; folders: string[]; problems: Problem[] } {
  const files: string[] = []
  const folders: string[] = []
  const problems: Problem[] = []
  const visit = (folder: string, depth: number) => {
    folders.push(folder)
    const entries = readdirSync(join(dags, folder), { withFileTypes: true })
    if (depth > 0 && entries.some(({ name }) => name === PROJECT_FILE)) return
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.name.startsWith('.') || SKIPPED.has(entry.name) || path === PROJECT_FILE) continue
      if (entry.isDirectory() && depth < DEPTH_LIMIT) visit(path, depth + 1)
      else if (!entry.isDirectory() && /\.ya?ml$/.test(entry.name) && entry.name !== DEFAULTS_FILE) files.push(path)
    }
  }
  try {
    visit('', 0)
  } catch (error) {
    throw new SluiceError('CONFIG_INVALID', `The DAGs folder ${dags} cannot be read.`, {
      cause: error,
      hint: 'Create the folder, or name another one with `dags:` in sluice.yaml.',
    })
  }
  const tooMany = files.splice(FILES_LIMIT)
  if (tooMany.length > 0) {
    const message = `the folder holds more than ${FILES_LIMIT} DAG files; this one and ${tooMany.length - 1} more are not read`
    problems.push({ file: tooMany[0] ?? '', line: 1, column: 1, path: '', severity: 'error', message, hint: '' })
  }
  return { files, folders, problems }
}
