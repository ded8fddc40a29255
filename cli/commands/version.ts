import type { Command } from 'commander'
import { PACKAGE_VERSION } from '../../package-root.js'
import { type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { terminal } from '../output/terminal.js'

/** `sluice version`: the versions of Sluice and of the Node it runs on, which errors are reported with. */
export function declare(command: Command): void {
  projectOption(jsonOption(command)).action((options: JsonOption) => {
    const out = terminal()
    if (options.json === true) printJson({ version: PACKAGE_VERSION, node: process.versions.node }, out)
    else out.print(`sluice ${PACKAGE_VERSION} (Node ${process.versions.node})`)
  })
}
