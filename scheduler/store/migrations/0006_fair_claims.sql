-- Workers take turns between DAGs: for each queue the DAGs that wait there, and the first tasks of each, by one probe each.
create index task_runs_turns on task_runs (queue, dag_id, priority desc, since) where state = 'queued';
drop index task_runs_queued;
