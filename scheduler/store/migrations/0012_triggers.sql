-- Triggers: what DAGs wait for, and what has happened. An event is known once and is one run's; the schema promises it.
alter table runs drop constraint runs_kind_check;
alter table runs add constraint runs_kind_check check (kind in ('scheduled', 'manual', 'backfill', 'triggered'));
alter table runs add column trigger jsonb;

create table trigger_sources (
  dag_id text not null,
  kind text not null check (kind in ('table', 'file', 'dag')),
  source text not null,
  files jsonb,
  since timestamptz not null,
  position bigint,
  next_look_at timestamptz,
  looked_at timestamptz,
  problem text not null default '',
  primary key (dag_id, kind, source)
);
create index trigger_sources_of_source on trigger_sources (kind, source);

create table trigger_events (
  event_id bigint generated always as identity primary key,
  dag_id text not null,
  kind text not null check (kind in ('table', 'file', 'dag')),
  source text not null,
  event_key text not null,
  detail jsonb not null,
  seen_at timestamptz not null,
  run_id text,
  dropped_at timestamptz,
  gone_at timestamptz,
  constraint one_event unique (dag_id, kind, source, event_key)
);
create index trigger_events_pending on trigger_events (dag_id, kind, source, event_id) where run_id is null and dropped_at is null;
create index trigger_events_of_run on trigger_events (run_id) where run_id is not null;
