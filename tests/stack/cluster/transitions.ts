import type { Database } from '../../../scheduler/store/database.js'

/** One change of state of a task or, with `task` null, of a run, as the database itself saw it. */
export interface Transition {
  run: string
  task: string | null
  dag: string
  pool: string | null
  slots: number
  state: string
}

/**
 * Lets the database write down every change of state, whoever makes it. An entry is written by the statement that changes
 * the state, so a place that somebody takes after another has left it comes later in the order: a replay never counts
 * more than there were at once.
 */
export async function recordTransitions(database: Pick<Database, 'query'>): Promise<void> {
  const statements = [
    `create table transitions (
      id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(),
      run text not null, task text, dag text not null, pool text, slots integer not null, state text not null
    )`,
    `create function record_task() returns trigger language plpgsql as $$ begin
      insert into transitions (run, task, dag, pool, slots, state)
      values (new.run_id, new.task_id, new.dag_id, new.pool, new.pool_slots, new.state);
      return null;
    end $$`,
    `create function record_run() returns trigger language plpgsql as $$ begin
      insert into transitions (run, dag, slots, state) values (new.run_id, new.dag_id, 1, new.state);
      return null;
    end $$`,
    `create trigger record_task after update of state on task_runs for each row
      when (old.state is distinct from new.state) execute function record_task()`,
    `create trigger record_run after update of state on runs for each row
      when (old.state is distinct from new.state) execute function record_run()`,
  ]
  for (const sql of statements) await database.query(sql)
}

/** All that was written down, in its order. */
export function transitions(database: Pick<Database, 'query'>): Promise<(Transition & Record<string, unknown>)[]> {
  return database.query('select run, task, dag, pool, slots, state from transitions order by at, id')
}

/** The most that was ever taken at once: slots of each pool, places of each DAG, running runs of each DAG. */
export interface Peaks {
  pools: Record<string, number>
  tasks: Record<string, number>
  runs: Record<string, number>
}

export function peaksOf(history: readonly Transition[]): Peaks {
  const peaks: Peaks = { pools: {}, tasks: {}, runs: {} }
  const taken = new Map<string, number>()
  const inside = new Set<string>()
  const move = (peak: Record<string, number>, kind: string, name: string, by: number) => {
    const now = (taken.get(`${kind} ${name}`) ?? 0) + by
    taken.set(`${kind} ${name}`, now)
    peak[name] = Math.max(peak[name] ?? 0, now)
  }
  for (const { run, task, dag, pool, slots, state } of history) {
    const subject = `${run}/${task ?? ''}`
    const takes = task === null ? state === 'running' : state === 'queued' || state === 'running'
    if (takes === inside.has(subject)) continue
    const by = takes ? 1 : -1
    if (takes) inside.add(subject)
    else inside.delete(subject)
    if (task === null) move(peaks.runs, 'runs', dag, by)
    else {
      move(peaks.tasks, 'tasks', dag, by)
      move(peaks.pools, 'pool', pool ?? '', by * slots)
    }
  }
  return peaks
}
