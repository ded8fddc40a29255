import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { PACKAGE_ROOT } from '../../package-root.js'
import { type JsonOption, jsonOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

export function declare(command: Command): void {
  jsonOption(command).action((options: JsonOption) => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }
    const out = terminal()
    if (options.json === true) printJson({ version, node: process.versions.node }, out)
    else out.print(`sluice ${version} (Node ${process.versions.node})`)
  })
}
