-- Deadlines of runs and their tasks. A row has one instant at which it is looked at next, and one column for each kind of
-- notice, so there is at most one of each. `task_id` is '' for the run itself.

create table slas (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  sla text not null,
  dag_id text not null,
  warns boolean not null,
  revision integer not null default 0,
  deadline_at timestamptz,
  look_at timestamptz,
  looked_at timestamptz not null,
  p50_at timestamptz,
  p90_at timestamptz,
  at_risk_at timestamptz,
  missed_at timestamptz,
  recovered_at timestamptz,
  closed_at timestamptz,
  primary key (run_id, task_id, sla)
) with (fillfactor = 70);
create index slas_to_look_at on slas (look_at) where look_at is not null;
create index slas_told on slas (deadline_at) where closed_at is null and (at_risk_at is not null or missed_at is not null);
create index slas_of_dag on slas (dag_id, closed_at);
