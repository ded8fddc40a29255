-- Work outside that an attempt has started and no later one will go on with, because its task has ended or was cleared: workers
-- end it. A row goes once that is done, or given up.
create table left_work (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  attempt integer not null,
  generation integer not null,
  dag_id text not null,
  version text not null,
  queue text not null,
  handle jsonb not null,
  failures integer not null default 0,
  next_try_at timestamptz not null,
  primary key (run_id, task_id, attempt)
);
create index left_work_due on left_work (next_try_at);
