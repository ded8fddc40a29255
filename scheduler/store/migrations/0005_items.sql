-- A task with `for_each` has a row for each item beside its own: `item_of` is the task, `item` the value.
alter table task_runs add column item_of text, add column item_index integer, add column item jsonb;
create index task_runs_items on task_runs (run_id, item_of, item_index) where item_of is not null;
