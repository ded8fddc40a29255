-- Backfills: runs for intervals of the past, made a few at a time. Each has one run per due instant of its own.

create table backfills (
  backfill_id integer generated always as identity primary key,
  dag_id text not null,
  state text not null check (state in ('running', 'paused', 'done', 'cancelled')),
  which text not null check (which in ('all', 'missing', 'failed')),
  from_at timestamptz not null,
  to_at timestamptz not null,
  reverse boolean not null,
  max_active integer not null check (max_active > 0),
  next_due_at timestamptz,
  slots integer not null,
  passed integer not null default 0,
  created_by text not null,
  created_at timestamptz not null,
  ended_at timestamptz
);
create index backfills_running on backfills (backfill_id) where state = 'running';
create index backfills_of_dag on backfills (dag_id, backfill_id desc);

alter table runs add column backfill_id integer references backfills;
alter table runs drop constraint one_run_per_due;
create unique index one_run_per_due on runs (dag_id, due_at, kind, coalesce(backfill_id, 0));
create index runs_of_backfill on runs (backfill_id, state) where backfill_id is not null;
