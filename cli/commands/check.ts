import type { Command } from 'commander'
import type { Problem } from '../../scheduler/dag/model.js'
import { type CheckedDags, checkDags, lineReader } from '../dag-files.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { formatProblem } from '../output/problems.js'
import { paint } from '../output/style.js'
import { terminal } from '../output/terminal.js'
import { projectConfig } from '../project.js'

/** `sluice check`: reads DAG files and needs no running Sluice. It ends with 1 when one has an error; warnings pass. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('[paths...]', 'files or folders (default: the DAGs folder of the project)')
    .action(check)
}

async function check(paths: string[], options: CommonOptions & JsonOption): Promise<void> {
  const config = projectConfig(options.project)
  const checked = await checkDags(config, paths)
  const out = terminal()
  if (checked.problems.some(({ severity }) => severity === 'error')) process.exitCode = 1
  if (options.json === true) return printJson(jsonOf(checked), out)
  const lineOf = lineReader(config, paths)
  for (const problem of checked.problems) out.print(`${formatProblem(problem, lineOf(problem), out)}\n`)
  out.print(paint(summaryOf(checked), checked.problems.length === 0 ? 'green' : null, out.coloured))
}

function jsonOf({ dags, problems }: CheckedDags): { dags: unknown[]; problems: Problem[] } {
  return {
    dags: dags.map(({ id, file, version, tasks }) => ({ dag: id, file, version, tasks: tasks.length })),
    problems,
  }
}

function summaryOf({ dags, problems }: CheckedDags): string {
  const tasks = dags.reduce((count, dag) => count + dag.tasks.length, 0)
  const good = `${counted(dags.length, 'good DAG')} with ${counted(tasks, 'task')}`
  if (problems.length === 0) return `${good}, no problems.`
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const files = new Set(problems.map(({ file }) => file)).size
  return `${good}; ${counted(errors, 'error')} and ${counted(problems.length - errors, 'warning')} in ${counted(files, 'file')}.`
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
