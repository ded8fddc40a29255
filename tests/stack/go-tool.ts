import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { stackHome } from './stack-home.js'

export interface GoTool {
  name: string
  module: string
  /** of the module, pinned: another version may behave another way */
  version: string
  /** the package of its command, by default the module itself */
  command?: string
}

/** docker's compose, whose `config` judges compose.yaml. */
export const COMPOSE: GoTool = {
  name: 'docker-compose',
  module: 'github.com/docker/compose/v2',
  version: 'v2.40.3',
  command: 'github.com/docker/compose/v2/cmd',
}
/**
 * MinIO's client, which makes buckets, users and policies: the newest whose source Go's checksum database vouches for, of March
 * 2025. compose.yaml's image is of August.
 */
export const MINIO_CLIENT: GoTool = {
  name: 'mc',
  module: 'github.com/minio/mc',
  version: 'v0.0.0-20250313080218-cf909e1063a9',
}

/** Path of a program, built from its Go module once and kept beside the other tools of the stack. */
export function goTool({ name, module, version, command = module }: GoTool): string {
  const home = join(stackHome(), 'bin')
  const tool = join(home, `${name}-${version}`)
  if (existsSync(tool)) return tool
  mkdirSync(home, { recursive: true })
  // `go install` refuses a module with `exclude` directives, so it is built as the dependency of an empty one.
  const folder = mkdtempSync(join(home, `${name}-`))
  try {
    const go = (...args: string[]) => execFileSync('go', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
    go('mod', 'init', 'tool')
    go('get', `${command}@${version}`)
    go('build', '-ldflags=-s -w', '-o', name, command)
    // whole or not at all, should two runs build at once
    renameSync(join(folder, name), tool)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return tool
}
