-- What a DAG says about runs that overlap, about the run before, and how long a run may take; slots of a pool that a task takes.
alter table runs
  add column overlap text not null default 'queue' check (overlap in ('queue', 'skip', 'cancel_running')),
  add column depends_on_past text not null default 'no' check (depends_on_past in ('no', 'tasks', 'run')),
  add column run_timeout_ms bigint,
  add column timed_out boolean not null default false;
create index runs_overlapping on runs (dag_id) where state = 'queued' and overlap <> 'queue';
create index runs_timed on runs (started_at) where state = 'running' and run_timeout_ms is not null;
create index runs_being_cancelled on runs (run_id) where state in ('queued', 'running') and cancel_requested;

alter table task_runs add column pool_slots integer not null default 1 check (pool_slots > 0);

-- What an attempt worked from, as one hash: with `skip_if_done` a later one with the same has nothing to do.
alter table attempts add column input_key text;
create index attempts_by_input on attempts (input_key) where input_key is not null;

update dag_versions set spec = '{ "overlap": "queue", "dependsOnPast": false, "runTimeoutMs": null }' || spec || jsonb_build_object(
  'tasks', (
    select coalesce(jsonb_agg('{ "poolSlots": 1, "dependsOnPast": false, "skipIfDone": false }' || task order by place), '[]')
    from jsonb_array_elements(spec -> 'tasks') with ordinality as listed (task, place)
  ));
