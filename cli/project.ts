import { statSync } from 'node:fs'
import { SluiceError } from '../errors.js'
import type { Config } from '../scheduler/config.js'
import { loadConfig } from '../scheduler/load-config.js'

/**
 * The configuration of the project that `--project` names.
 * @throws SluiceError WRONG_USE when there is no such folder, CONFIG_INVALID for mistakes in its sluice.yaml
 */
export function projectConfig(project: string): Config {
  if (statSync(project, { throwIfNoEntry: false })?.isDirectory() === true) return loadConfig(project)
  throw new SluiceError('WRONG_USE', `There is no folder ${project}.`, {
    hint: 'Name the folder that holds sluice.yaml with --project.',
  })
}
