import { dirname, join } from 'node:path'
import { type Compiled, type CompileOptions, compileContext } from './compile.js'
import { type CompiledFile, compileFiles, isUntouched } from './compile-files.js'
import { type FileList, listFiles } from './list-files.js'
import type { Dag, Problem } from './model.js'
import { otherDagProblems } from './other-dags.js'
import { sortedProblems } from './report.js'

/** One reading of a whole DAGs folder. */
export interface FolderReading {
  /** the good DAGs, by file */
  dags: Dag[]
  /**
   * files (as in `Dag.file`) that hold an error, and folders that could not be read, with a `/` at their end; a DAG known from one
   * of them keeps its last good version
   */
  broken: string[]
  /** of all files, by file and place */
  problems: Problem[]
}

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
    return reading(kept, found)
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
function reading(kept: ReadonlyMap<string, CompiledFile>, { unread, problems: inList }: FileList): FolderReading {
  const filesById = new Map<string, string[]>()
  for (const [file, { compiled }] of kept) {
    if (compiled.dagId !== null) filesById.set(compiled.dagId, [...(filesById.get(compiled.dagId) ?? []), file])
  }
  const problems = [...inList]
  const dags: Dag[] = []
  const bad = [...unread]
  for (const [file, { compiled }] of kept) {
    problems.push(...compiled.problems)
    const others = (filesById.get(compiled.dagId ?? '') ?? []).filter((other) => other !== file)
    if (others.length > 0) problems.push(sameId(file, compiled, others))
    if (compiled.dag !== null && others.length === 0) dags.push(compiled.dag)
    else bad.push(file)
  }
  // a DAG that is missing may well be in a file that nobody could read
  const nameless = unread.length > 0 || [...kept.values()].some(({ compiled }) => compiled.dagId === null)
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
