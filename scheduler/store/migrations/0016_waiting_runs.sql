-- Which run of a DAG starts next, and how many of it run: by one probe each, however many runs wait.
create index runs_waiting on runs (dag_id, max_active_runs, (kind = 'backfill'), due_at, run_id) where state = 'queued';
create index runs_running on runs (dag_id) where state = 'running';
