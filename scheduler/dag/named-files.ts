import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { codeOf } from '../../errors.js'
import { LIMITS } from './guard.js'

export type NamedFile = { text: string } | { message: string; hint: string }

/**
 * Reads a file that a DAG names, relative to the DAG file. What leads outside the project, also by a symbolic link, what
 * is no regular file, no text or too large is told, not read.
 * @param dagFile absolute path of the DAG file
 * @param roots absolute folders that files may lie below (project and DAGs folder), symbolic links resolved
 */
export function readNamedFile(path: string, dagFile: string, roots: readonly string[]): NamedFile {
  if (path.includes('\0')) return { message: 'the path holds a NUL byte', hint: '' }
  if (isAbsolute(path)) return { message: `\`${path}\` is absolute`, hint: 'paths are relative to the DAG file' }
  const target = join(dirname(dagFile), path)
  if (!isInside(target, dirname(dagFile), roots)) return outside(path)
  return readFileBelow(target, path, roots)
}

/**
 * Reads a text that lies below one of the folders, wherever links lead on the way; everything else is told, not read, and
 * nothing is waited for.
 * @param target absolute path
 * @param name how messages name it
 * @param roots absolute folders, symbolic links resolved
 */
export function readFileBelow(target: string, name: string, roots: readonly string[]): NamedFile {
  let real: string
  try {
    real = realpathSync.native(target)
  } catch (error) {
    return unreadable(name, error)
  }
  // the DAG file itself may lie behind a link, so places are compared as they really are
  if (!isBelowOne(real, roots)) return outside(name)
  return readText(name, real)
}

/** A file changed so lately may change again within the same tick of the file system's clock. */
const RACY_MS = 50
let racyStamps = 0

/**
 * A text that differs whenever the content of a file may: two equal stamps mean that it was not touched in between. A file
 * changed a moment ago gets a stamp that equals no other.
 */
export function fileStamp(path: string): string {
  let stat: Stats | undefined
  try {
    stat = statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    return codeOf(error) || 'unknown'
  }
  if (stat === undefined) return 'absent'
  const racy = Math.abs(Date.now() - stat.mtimeMs) < RACY_MS ? ` racy ${++racyStamps}` : ''
  return `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}${racy}`
}

/** True when `path` is one of the folders or below one; all absolute and free of links. */
export function isBelowOne(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    const way = relative(folder, path)
    return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
  })
}

/** Before any link is followed: `../../x` that leaves the project is refused whether or not it exists. */
function isInside(target: string, folder: string, roots: readonly string[]): boolean {
  let realFolder: string
  try {
    realFolder = realpathSync.native(folder)
  } catch {
    return false
  }
  return isBelowOne(join(realFolder, relative(folder, target)), roots)
}

function readText(path: string, real: string): NamedFile {
  let file: number
  try {
    // without blocking: a named pipe would wait for its writer
    file = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return unreadable(path, error)
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return { message: `\`${path}\` is not a file`, hint: 'name a file' }
    if (stat.size > LIMITS.namedFileBytes) {
      const limit = LIMITS.namedFileBytes / 1_000_000
      return {
        message: `\`${path}\` has ${(stat.size / 1e6).toFixed(1)} MB; a file named here has at most ${limit} MB`,
        hint: '',
      }
    }
    const bytes = Buffer.alloc(stat.size)
    const read = readSync(file, bytes, 0, stat.size, 0)
    const content = bytes.subarray(0, read)
    if (!isUtf8(content) || content.includes(0))
      return { message: `\`${path}\` is not a text in UTF-8`, hint: 'save it as UTF-8' }
    return { text: content.toString('utf8').replace(/^\uFEFF/, '') }
  } catch (error) {
    return unreadable(path, error)
  } finally {
    closeSync(file)
  }
}

function outside(path: string): NamedFile {
  return { message: `\`${path}\` leads outside the project`, hint: 'keep files inside the project, also behind links' }
}

function unreadable(path: string, error: unknown): NamedFile {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return { message: `there is no file \`${path}\``, hint: 'paths are relative to the DAG file' }
  if (code === 'ELOOP') return { message: `\`${path}\` is a link that leads to itself`, hint: '' }
  return { message: `\`${path}\` cannot be read (${code || 'unknown error'})`, hint: 'check its permissions' }
}
