import type { Command } from 'commander'

/** One command as the program lists it. Its module is loaded only when it is the one that was named. */
export interface CommandEntry {
  name: string
  summary: string
  load(): Promise<{ declare(command: Command): void }>
}

/** In the order that `sluice help` shows. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'up', summary: 'start everything embedded', load: () => import('./commands/up.js') },
  { name: 'check', summary: 'validate DAGs', load: () => import('./commands/check.js') },
  { name: 'run', summary: 'one run in the foreground', load: () => import('./commands/run.js') },
  { name: 'schedule', summary: 'when DAGs are due', load: () => import('./commands/schedule.js') },
  { name: 'trigger', summary: 'make a run and return', load: () => import('./commands/trigger.js') },
  { name: 'runs', summary: 'list runs, newest first', load: () => import('./commands/runs.js') },
  { name: 'tasks', summary: 'the tasks of a run', load: () => import('./commands/tasks.js') },
  { name: 'logs', summary: 'the log of a task', load: () => import('./commands/logs.js') },
  { name: 'clear', summary: 'run tasks again', load: () => import('./commands/clear.js') },
  { name: 'mark', summary: 'set the state of tasks by hand', load: () => import('./commands/mark.js') },
  {
    name: 'approve',
    summary: 'confirm or reject what waits for a person',
    load: () => import('./commands/approve.js'),
  },
  { name: 'cancel', summary: 'stop a run', load: () => import('./commands/cancel.js') },
  { name: 'pause', summary: 'stop scheduling a DAG', load: () => import('./commands/pause.js') },
  { name: 'resume', summary: 'schedule a paused DAG again', load: () => import('./commands/resume.js') },
  { name: 'backfill', summary: 'runs for intervals of the past', load: () => import('./commands/backfill.js') },
  {
    name: 'alerts',
    summary: 'alerts: list, acknowledge, mute, send again, test',
    load: () => import('./commands/alerts.js'),
  },
  { name: 'query', summary: 'run a SELECT on the lakehouse', load: () => import('./commands/query.js') },
  { name: 'tables', summary: 'tables, their versions, roll back', load: () => import('./commands/tables.js') },
  {
    name: 'schema',
    summary: 'the JSON Schema of DAG files or of sluice.yaml',
    load: () => import('./commands/schema.js'),
  },
  { name: 'scheduler', summary: 'a scheduler of a cluster', load: () => import('./commands/scheduler.js') },
  { name: 'worker', summary: 'a worker of a cluster', load: () => import('./commands/worker.js') },
  { name: 'webserver', summary: 'a web server of a cluster', load: () => import('./commands/webserver.js') },
  {
    name: 'db',
    summary: 'the metadata store: migrate, prune, back up, restore',
    load: () => import('./commands/db.js'),
  },
  { name: 'users', summary: 'users, their roles, links and tokens', load: () => import('./commands/users.js') },
  { name: 'version', summary: 'the version of Sluice', load: () => import('./commands/version.js') },
]
