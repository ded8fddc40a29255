import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Pinned: another version may read the file another way. */
const VERSION = 'v2.40.3'
const MODULE = 'github.com/docker/compose/v2'

/** Path of the real compose tool, built from its Go module once and kept beside the other tools of the stack. */
export function composeTool(): string {
  const home = join(process.env.STACK_HOME ?? join(homedir(), '.cache', 'lake-stack'), 'bin')
  const tool = join(home, `docker-compose-${VERSION}`)
  if (existsSync(tool)) return tool
  mkdirSync(home, { recursive: true })
  // `go install` refuses a module with `exclude` directives, so it is built as the dependency of an empty one.
  const folder = mkdtempSync(join(home, 'compose-'))
  try {
    const go = (...args: string[]) => execFileSync('go', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    go('mod', 'init', 'composetool')
    go('get', `${MODULE}/cmd@${VERSION}`)
    go('build', '-ldflags=-s -w', '-o', 'docker-compose', `${MODULE}/cmd`)
    // whole or not at all, should two runs build at once
    renameSync(join(folder, 'docker-compose'), tool)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return tool
}
