import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { codeOf } from '../../errors.js'
import { broken, type CompileContext, type Compiled, compileDag } from './compile.js'
import { LIMITS, tooLarge } from './guard.js'
import { fileStamp, isBelowOne } from './named-files.js'

export interface CompiledFile {
  /** of the DAG file, just before it was read */
  stamp: string
  compiled: Compiled
}

/** How long one turn of the event loop may compile, so that a large folder does not stop a running scheduler. */
const TURN_MS = 20
/** Compiles files, leaving other work its turns. */
export async function compileFiles(
  files: readonly string[],
  context: CompileContext,
): Promise<Map<string, CompiledFile>> {
  const compiled = new Map<string, CompiledFile>()
  let turnEnds = performance.now() + TURN_MS
  for (const file of files) {
    compiled.set(file, compileFile(file, context))
    if (performance.now() < turnEnds) continue
    await nextTurn()
    turnEnds = performance.now() + TURN_MS
  }
  return compiled
}

function compileFile(file: string, context: CompileContext): CompiledFile {
  const stamp = fileStamp(join(context.dags, file))
  const read = readDagFile(file, context)
  const compiled = 'problem' in read ? broken(file, [read.problem]) : compileDag(file, read.bytes, context)
  return { stamp, compiled }
}

/** True when neither the file nor any file it names has changed since it was compiled. */
export function isUntouched(file: string, before: CompiledFile | undefined, context: CompileContext): boolean {
  const path = join(context.dags, file)
  if (before === undefined || before.stamp !== fileStamp(path)) return false
  for (const [name, stamp] of before.compiled.named) if (fileStamp(join(dirname(path), name)) !== stamp) return false
  return true
}

type DagBytes = { bytes: Uint8Array } | { problem: { line: number; column: number; message: string; hint: string } }

/** Never reads more than a DAG file may have, nor what is no regular file of the project. */
export function readDagFile(file: string, context: CompileContext): DagBytes {
  const path = join(context.dags, file)
  const at = { line: 1, column: 1 }
  let handle: number | null = null
  try {
    if (!isBelowOne(realpathSync.native(path), context.roots)) {
      return { problem: { ...at, message: 'the file is a link that leads outside the project', hint: 'copy the file' } }
    }
    handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(handle)
    if (!stat.isFile()) return { problem: { ...at, message: 'this is not a regular file', hint: 'remove it' } }
    if (stat.size > LIMITS.fileBytes) return { problem: tooLarge(stat.size) }
    const bytes = Buffer.alloc(stat.size)
    return { bytes: bytes.subarray(0, readSync(handle, bytes, 0, stat.size, 0)) }
  } catch (error) {
    const code = codeOf(error)
    if (code === '') throw error
    return { problem: { ...at, message: `the file cannot be read (${code})`, hint: 'check its permissions' } }
  } finally {
    if (handle !== null) closeSync(handle)
  }
}
