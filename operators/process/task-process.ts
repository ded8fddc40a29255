import { existsSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SluiceError } from '../../errors.js'
import type { JsonSchema } from '../../json.js'
import type { OperatorContext, OperatorResult } from '../operator.js'
import { leadsOutside, realRoots, rootOf } from '../project-path.js'
import { OUTPUTS_VARIABLE, readOutputs } from './outputs-file.js'
import { type ProcessEnd, runProcess } from './run-process.js'

const DEFAULT_SKIP_EXIT_CODE = 99

/** The properties that every operator shares that runs a program. */
export const PROCESS_PROPERTIES: Record<string, JsonSchema> = {
  cwd: {
    title: 'Working folder',
    description:
      'Folder the program starts in, relative to the DAG file and inside the project. Without it, a fresh private folder that is removed afterwards.',
    type: 'string',
    minLength: 1,
    'x-template': 'text',
    examples: ['..', 'jobs'],
  },
  skip_exit_code: {
    title: 'Exit code that skips',
    description: 'A program that ends with this exit code marks the task as skipped. null: no code does.',
    type: ['integer', 'null'],
    minimum: 1,
    maximum: 255,
    default: DEFAULT_SKIP_EXIT_CODE,
  },
}

export interface TaskProcess {
  cwd?: string
  skip_exit_code?: number | null
  /** added to the environment of the task */
  env?: Record<string, string>
  /** turns the end of a failed program into the reason; the default is the last line of stderr */
  reason?: (end: ProcessEnd) => string | null
}

/** Runs the program of a task to its end and reads its outputs. */
export async function runTaskProcess(
  argv: readonly string[],
  options: TaskProcess,
  ctx: OperatorContext,
): Promise<OperatorResult> {
  const outputs = join(ctx.workDir, 'outputs.json')
  const end = await runProcess(argv, {
    cwd: options.cwd === undefined ? ctx.workDir : insideProject(options.cwd, ctx),
    env: { ...ctx.env, ...options.env, [OUTPUTS_VARIABLE]: outputs },
    signal: ctx.signal,
    log: (level, message) => ctx.log(level, message),
    logDrained: () => ctx.logDrained(),
  })
  const skipCode = options.skip_exit_code === undefined ? DEFAULT_SKIP_EXIT_CODE : options.skip_exit_code
  if (end.exitCode !== null && end.exitCode === skipCode) {
    return { outputs: readOutputs(outputs), skipped: { reason: `the program ended with exit code ${skipCode}` } }
  }
  if (end.exitCode !== 0) throw failure(end, options.reason ?? lastLine)
  return { outputs: readOutputs(outputs) }
}

function failure(end: ProcessEnd, reason: (end: ProcessEnd) => string | null): SluiceError {
  const why = reason(end)
  const message = why === null ? endSentence(end) : `${endSentence(end)}: ${why}`
  return new SluiceError('OPERATOR_FAILED', message)
}

/** How a program ended, e.g. `exit code 2`. */
export function endSentence(end: Pick<ProcessEnd, 'exitCode' | 'signal'>): string {
  // A shell reports a child that a signal ended as 128 + the number of the signal.
  if (end.signal === 'SIGKILL' || end.exitCode === 137) {
    const code = end.exitCode === null ? '' : 'exit code 137, '
    return `${code}killed by SIGKILL (out of memory?)`
  }
  if (end.signal !== null) return `killed by ${end.signal}`
  if (end.exitCode === 127) return 'exit code 127 (command not found)'
  return `exit code ${end.exitCode}`
}

function lastLine(end: ProcessEnd): string | null {
  return shorten(end.stderrTail.at(-1)?.trim())
}

const MAX_REASON_LENGTH = 500

/**
 * A line as part of a reason: reasons stand in tables and mails, so they have a bound. It is cut between words only, as
 * secrets are masked later and half of one would not be known.
 */
export function shorten(line: string | undefined): string | null {
  if (line === undefined || line === '') return null
  if (line.length <= MAX_REASON_LENGTH) return line
  const end = line.lastIndexOf(' ', MAX_REASON_LENGTH)
  return end > 0 ? `${line.slice(0, end)} …` : 'its last line is long and stands in the log'
}

/**
 * A folder named in the DAG file as an absolute path.
 * @throws SluiceError PATH_OUTSIDE when it leads out of the project, also by a symbolic link
 */
function insideProject(folder: string, ctx: OperatorContext): string {
  const path = resolve(ctx.dag.folder, folder)
  if (!existsSync(path)) {
    throw new SluiceError('OPERATOR_FAILED', `cwd: the folder ${folder} does not exist (relative to the DAG file).`)
  }
  const real = realpathSync(path)
  if (rootOf(real, realRoots(ctx.roots)) === null) throw leadsOutside(`cwd: ${folder}`)
  return real
}
