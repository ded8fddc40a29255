import { path } from '../query.js'

/** Where each thing has its page. */
export const links = {
  dag: (dagId: string) => path`/dags/${dagId}`,
  dagTab: (dagId: string, tab: string) => path`/dags/${dagId}/${tab}`,
  run: (runId: string) => path`/runs/${runId}`,
  task: (runId: string, taskId: string) => path`/runs/${runId}/tasks/${taskId}`,
  attempt: (runId: string, taskId: string, attempt: number | null) =>
    `${links.task(runId, taskId)}${attempt === null ? '' : `?try=${attempt}`}`,
  table: (table: string) => path`/tables/${table}`,
}
