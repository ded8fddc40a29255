-- An attempt may end by deferring its task: `wake_at` is the instant of the next one, null when only an event wakes it.
alter table attempts drop constraint attempts_result_check;
alter table attempts add constraint attempts_result_check
  check (result in ('success', 'failed', 'skipped', 'timed_out', 'cancelled', 'lost', 'deferred'));
alter table attempts add column wake_at timestamptz;
create index task_runs_deferred on task_runs (not_before) where state = 'deferred' and not_before is not null;
