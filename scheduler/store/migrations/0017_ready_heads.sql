-- The DAGs and pools that have ready tasks are found by jumping from one to the next, and the first tasks of each by their order.
drop index task_runs_ready;
create index task_runs_ready on task_runs (dag_id, pool, priority desc, since) where state = 'scheduled';
