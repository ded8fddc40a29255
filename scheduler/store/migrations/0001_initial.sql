-- The metadata store. Instants are timestamptz in UTC; JSON that is only carried, never searched, is jsonb all the same.

create table epochs (
  epoch integer generated always as identity primary key,
  reason text not null,
  started_at timestamptz not null
);

create table dag_versions (
  version text primary key,
  dag_id text not null,
  spec jsonb not null,
  created_at timestamptz not null
);
create index dag_versions_by_dag on dag_versions (dag_id, created_at desc);

create table dags (
  dag_id text primary key,
  file text not null,
  version text not null references dag_versions,
  paused boolean not null default false,
  pause_reason text not null default '',
  present boolean not null default true,
  next_due_at timestamptz,
  description text not null default '',
  owner text not null default '',
  tags text[] not null default '{}',
  registered_at timestamptz not null,
  changed_at timestamptz not null
);
create index dags_due on dags (next_due_at) where present and not paused;

create table dag_problems (
  position integer primary key,
  problem jsonb not null,
  seen_at timestamptz not null
);

create table pools (
  pool text primary key,
  size integer not null check (size >= 0)
);

create table runs (
  run_id text primary key,
  dag_id text not null,
  version text not null references dag_versions,
  kind text not null check (kind in ('scheduled', 'manual', 'backfill')),
  state text not null check (state in ('queued', 'running', 'success', 'failed', 'cancelled')),
  revision integer not null default 0,
  due_at timestamptz not null,
  interval_start timestamptz not null,
  interval_end timestamptz not null,
  params jsonb not null,
  triggered_by text not null,
  only_tasks text[],
  no_checks boolean not null default false,
  cancel_requested boolean not null default false,
  reason text not null default '',
  max_active_runs integer not null,
  max_active_tasks integer not null,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,
  constraint one_run_per_due unique (dag_id, due_at, kind)
);
create index runs_newest on runs (due_at desc, run_id desc);
create index runs_newest_of_dag on runs (dag_id, due_at desc, run_id desc);
create index runs_active on runs (dag_id, due_at) where state in ('queued', 'running');

create table idempotency_keys (
  key text primary key,
  request_hash text not null,
  run_id text not null references runs,
  created_at timestamptz not null
);

create table task_runs (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  dag_id text not null,
  position integer not null,
  state text not null check (state in ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry',
    'success', 'failed', 'skipped', 'upstream_failed', 'cancelled')),
  attempt integer not null default 0,
  tries integer not null default 0,
  generation integer not null default 1,
  pool text not null,
  queue text not null,
  priority integer not null,
  since timestamptz not null,
  not_before timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  reason text not null default '',
  cancel_requested boolean not null default false,
  outputs jsonb not null default '{}',
  handle jsonb,
  progress jsonb,
  claim_token text,
  worker_id text,
  epoch integer,
  lease_until timestamptz,
  primary key (run_id, task_id)
) with (fillfactor = 70);
create index task_runs_ready on task_runs (dag_id, priority desc, since) where state = 'scheduled';
create index task_runs_taken on task_runs (pool) where state in ('queued', 'running');
create index task_runs_active on task_runs (dag_id) where state in ('queued', 'running');
create index task_runs_queued on task_runs (queue, priority desc, since) where state = 'queued';
create index task_runs_leased on task_runs (lease_until) where state = 'running';
create index task_runs_retrying on task_runs (not_before) where state = 'up_for_retry';

create table attempts (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  attempt integer not null,
  generation integer not null,
  claim_token text not null,
  worker_id text not null,
  claimed_at timestamptz not null,
  ended_at timestamptz,
  result text check (result in ('success', 'failed', 'skipped', 'timed_out', 'cancelled', 'lost')),
  reason text not null default '',
  retryable boolean not null default true,
  outputs jsonb not null default '{}',
  settled boolean not null default false,
  rendered jsonb,
  log_lines integer not null default 0,
  log_bytes bigint not null default 0,
  metrics jsonb not null default '{}',
  primary key (run_id, task_id, attempt)
);
create index attempts_unsettled on attempts (run_id) where result is not null and not settled;

create table table_reads (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  attempt integer not null,
  table_name text not null,
  version bigint not null,
  row_count bigint,
  primary key (run_id, task_id, attempt, table_name)
);
create index table_reads_by_table on table_reads (table_name, version);

create table table_versions (
  table_name text not null,
  version bigint not null,
  version_before bigint,
  operation text not null,
  run_id text,
  task_id text,
  attempt integer,
  user_name text,
  reason text not null default '',
  rows_added bigint not null,
  rows_updated bigint not null,
  rows_removed bigint not null,
  rows_total bigint,
  bytes bigint not null,
  committed_at timestamptz not null,
  primary key (table_name, version)
);
create index table_versions_by_run on table_versions (run_id);

create table check_results (
  run_id text not null references runs on delete cascade,
  task_id text not null,
  attempt integer not null,
  position integer not null,
  table_name text not null,
  name text not null,
  kind text not null,
  severity text not null,
  passed boolean not null,
  failing_rows bigint not null,
  measured jsonb not null,
  sample jsonb not null,
  message text not null,
  checked_at timestamptz not null,
  primary key (run_id, task_id, attempt, position)
);
create index check_results_by_table on check_results (table_name, checked_at desc);

create table workers (
  worker_id text primary key,
  epoch integer not null,
  host text not null,
  pid integer not null,
  queues text[] not null,
  slots integer not null,
  busy integer not null,
  started_at timestamptz not null,
  heartbeat_at timestamptz not null
);

create table users (
  name text primary key,
  role text not null check (role in ('viewer', 'operator', 'admin')),
  created_at timestamptz not null
);

create table secrets (
  hash text primary key,
  kind text not null check (kind in ('login_link', 'session', 'api_token')),
  user_name text not null references users on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz
);

create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  user_name text not null,
  action text not null,
  target text not null,
  detail jsonb not null
);
create index audit_by_target on audit (target, id desc);
