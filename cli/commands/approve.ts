import type { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import type { ApprovalShape } from '../../scheduler/shapes.js'
import { requireRunning, segment } from '../client.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { printTable } from '../output/table.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'

interface ApproveOptions extends CommonOptions, JsonOption {
  reject?: boolean
  comment: string
}

const COLUMNS = [{ title: 'RUN' }, { title: 'TASK' }, { title: 'SINCE' }, { title: 'WHO' }, { title: 'ASKED' }] as const

/** `sluice approve`: lists what waits for a person or decides about one task, over the running Sluice. */
export function declare(command: Command): void {
  projectOption(jsonOption(command))
    .argument('[run]', 'id of the run; without it what waits for a person is listed')
    .argument('[task]', 'id of the task')
    .option('--reject', 'reject instead of confirming')
    .option('--comment <text>', 'why; kept with the decision', '')
    .action(approve)
}

async function approve(runId: string | undefined, taskId: string | undefined, options: ApproveOptions): Promise<void> {
  if (runId === undefined) return list(options)
  if (taskId === undefined) {
    throw new SluiceError('WRONG_USE', 'A decision needs a run and a task.', {
      hint: '`sluice approve` alone lists what waits for a person.',
    })
  }
  const approved = options.reject !== true
  const path = `/runs/${segment(runId)}/tasks/${segment(taskId)}/approval`
  const answer = await requireRunning(options.project).post<{ approved: boolean }>(path, {
    approved,
    comment: options.comment,
  })
  const out = terminal()
  if (options.json === true) return printJson(answer, out)
  out.print(`${approved ? 'Approved' : 'Rejected'} ${taskId} of ${runId}.`)
}

async function list(options: ApproveOptions): Promise<void> {
  const approvals = await requireRunning(options.project).get<ApprovalShape[]>('/approvals')
  const out = terminal()
  if (options.json === true) return printJson(approvals, out)
  if (approvals.length === 0) return out.print('Nothing waits for a person.')
  const rows = approvals.map(({ run, task, since, users, role, message }) => {
    return [run, task, shortInstant(since), users.join(', ') || role, message.replaceAll(/\s+/g, ' ').slice(0, 80)]
  })
  printTable(COLUMNS, rows, out)
}
