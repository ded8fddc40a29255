-- Deferred tasks are brought back by what they wait for: `waits_for` says what that is, `woken` what it has come to.
alter table attempts add column waits_for jsonb;
alter table task_runs add column waits_for jsonb, add column woken jsonb;
create index task_runs_waits on task_runs ((waits_for ->> 'on')) where state = 'deferred' and waits_for is not null;
create index task_runs_children on task_runs (run_id, task_id)
  where state = 'deferred' and waits_for is not null and waits_for ->> 'kind' = 'child';

-- The task that a run was started by; `parent_waits` when it waits for the run's end.
alter table runs add column parent_run_id text, add column parent_task_id text, add column parent_generation integer,
  add column parent_waits boolean;
create index runs_by_parent on runs (parent_run_id, parent_task_id) where parent_run_id is not null;
create index runs_active_children on runs (run_id) where parent_waits and state in ('queued', 'running');
create index runs_by_interval on runs (dag_id, interval_end);

-- Conditions outside that workers look at, one row for all tasks that wait for the same.
create table looks (
  key text primary key,
  queue text not null,
  condition jsonb not null,
  table_name text not null,
  every_ms bigint not null,
  seen jsonb not null,
  detail text not null default '',
  next_look_at timestamptz not null,
  looked_at timestamptz
);
create index looks_due on looks (queue, next_look_at);
create index looks_by_table on looks (table_name) where table_name <> '';
