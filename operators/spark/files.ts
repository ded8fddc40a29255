import { existsSync, realpathSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { OperatorContext } from '../operator.js'
import { pinnedCopy } from '../pinned-copy.js'
import { leadsOutside, realRoots, rootOf } from '../project-path.js'
import { PROJECT_PYTHON, type SparkSubmitConfig } from './config.js'

const URI = /^[A-Za-z][A-Za-z0-9+.-]*:/
const PYTHON = new RegExp(PROJECT_PYTHON)

/** What is handed to spark-submit, every path absolute or a URI. */
export interface SparkFiles {
  application: string
  jars: string[]
  pyFiles: string[]
  files: string[]
}

/**
 * Python files of the project are written into the attempt's private folder as the version of the DAG has them; other
 * files of the project are taken from their place; URIs and absolute paths pass as they are.
 * @throws SluiceError FILES_NOT_FOUND, PATH_OUTSIDE
 */
export function placeFiles(config: SparkSubmitConfig, ctx: OperatorContext): SparkFiles {
  const place = (key: string) => (file: string) => placed(key, file, ctx)
  return {
    application: place('application')(config.application),
    jars: (config.jars ?? []).map(place('jars')),
    pyFiles: (config.py_files ?? []).map(place('py_files')),
    files: (config.files ?? []).map(place('files')),
  }
}

function placed(key: string, file: string, ctx: OperatorContext): string {
  if (URI.test(file) || isAbsolute(file)) return file
  if (PYTHON.test(file)) return pinnedCopy(file, `${key}: ${file}`, ctx)
  const path = resolve(ctx.dag.folder, file)
  if (rootOf(path, ctx.roots) === null) throw leadsOutside(`${key}: ${file}`)
  return projectFile(key, file, path, ctx)
}

/** `data.csv#name` gives the file another name in the executors' folders. */
function projectFile(key: string, file: string, path: string, ctx: OperatorContext): string {
  const [, bare = path, alias = ''] = /^(.*?)(#[^/#]*)?$/s.exec(path) ?? []
  if (!existsSync(bare)) {
    throw new SluiceError('FILES_NOT_FOUND', `spark_submit.${key}: there is no file ${file} beside the DAG file.`, {
      hint: 'Paths are relative to the DAG file; name files elsewhere by a URI such as file:/opt/jobs/app.jar.',
      retryable: false,
    })
  }
  const real = realpathSync(bare)
  if (rootOf(real, realRoots(ctx.roots)) === null) throw leadsOutside(`${key}: ${file}`)
  return real + alias
}
