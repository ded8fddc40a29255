-- For pages: runs that went wrong are few among many, and lists of them are read newest first.
create index runs_not_well on runs (due_at desc, run_id desc) where state in ('failed', 'cancelled');
create index runs_not_well_of_dag on runs (dag_id, due_at desc, run_id desc) where state in ('failed', 'cancelled');
