import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { PACKAGE_ROOT } from '../package-root.js'

/** The project's own folders; what is generated, installed or data is not among them. */
const SOURCE_FOLDERS = ['cli', 'webserver', 'scheduler', 'operators', 'lakehouse', 'tests']

export interface Import {
  /** path below the package with forward slashes, or the bare name of a package (`node:fs`, `pg`) */
  target: string
  /** as written */
  specifier: string
  typeOnly: boolean
  /** loaded when the code gets there, not with the file */
  dynamic: boolean
}

/** Paths below the package with forward slashes, of every file below `folder` whose name ends in one of `extensions`. */
export function filesBelow(folder: string, extensions: readonly string[]): string[] {
  return readdirSync(join(PACKAGE_ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extensions.some((extension) => entry.name.endsWith(extension)))
    .map((entry) => relative(PACKAGE_ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

export function sourceFiles(): string[] {
  const root = readdirSync(PACKAGE_ROOT).filter((name) => name.endsWith('.ts'))
  return [...root, ...SOURCE_FOLDERS.flatMap((folder) => filesBelow(folder, ['.ts']))]
}

export function sourceText(path: string): string {
  return readFileSync(join(PACKAGE_ROOT, path), 'utf8')
}

const STATIC_IMPORT = /^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?'([^']+)'/gm
const DYNAMIC_IMPORT = /\bimport\(\s*'([^']+)'\s*\)/g

/** Every import of a file, static, dynamic and re-exported. */
export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = []
  for (const [, type, names, specifier = ''] of text.matchAll(STATIC_IMPORT)) {
    const typeOnly = type !== undefined || onlyTypes(names ?? '')
    found.push({ target: resolve(path, specifier), specifier, typeOnly, dynamic: false })
  }
  for (const [, specifier = ''] of text.matchAll(DYNAMIC_IMPORT)) {
    found.push({ target: resolve(path, specifier), specifier, typeOnly: false, dynamic: true })
  }
  return found
}

/** `{ type A, type B }` imports no value either. */
function onlyTypes(names: string): boolean {
  const inner = /^\{([^}]*)\}$/.exec(names.trim())?.[1]
  return inner?.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')) ?? false
}

function resolve(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return posix.normalize(posix.join(dirname(path), specifier)).replace(/\.js$/, '.ts')
}
