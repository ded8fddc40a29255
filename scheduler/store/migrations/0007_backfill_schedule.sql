-- The version whose schedule says which slots a backfill has: they stay the same when the DAG changes on the way.
alter table backfills add column version text references dag_versions;
update backfills set version = dags.version from dags where dags.dag_id = backfills.dag_id;
alter table backfills alter column version set not null;
