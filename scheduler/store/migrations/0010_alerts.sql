-- Alerts: what people are to be told of, the messages that tell them, and which alert goes to whom in which message.

create table alerts (
  alert_id bigint generated always as identity primary key,
  key text not null unique,
  kind text not null,
  subject text not null,
  dag_id text,
  run_id text,
  task_id text,
  payload jsonb not null,
  raised_at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by text
);
create index alerts_of_subject on alerts (subject, alert_id desc);
create index alerts_of_dag on alerts (dag_id, alert_id desc);
create index alerts_of_run on alerts (run_id) where run_id is not null;
create index alerts_raised on alerts (raised_at);

-- One message to a destination is under way at a time, however many schedulers write them; those sent again by hand aside.
create table alert_messages (
  message_id bigint generated always as identity primary key,
  key text not null default gen_random_uuid()::text,
  destination text not null,
  state text not null check (state in ('waiting', 'sent', 'dead')),
  by_hand boolean not null default false,
  alerts integer not null,
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  claim_token text,
  lease_until timestamptz,
  problem text not null default '',
  created_at timestamptz not null,
  ended_at timestamptz
);
create unique index one_open_message on alert_messages (destination) where state = 'waiting' and not by_hand;
create index alert_messages_waiting on alert_messages (next_attempt_at) where state = 'waiting';
create index alert_messages_dead on alert_messages (message_id desc) where state = 'dead';
create index alert_messages_newest on alert_messages (destination, message_id desc);

create table alert_deliveries (
  alert_id bigint not null references alerts on delete cascade,
  destination text not null,
  state text not null default 'waiting' check (state in ('waiting', 'in_message', 'muted', 'acknowledged', 'off')),
  since timestamptz not null,
  message_id bigint references alert_messages on delete set null,
  primary key (alert_id, destination)
);
create index alert_deliveries_waiting on alert_deliveries (destination, since) where state = 'waiting';
create index alert_deliveries_by_message on alert_deliveries (message_id, alert_id) where message_id is not null;

create table alert_mutes (
  mute_id integer generated always as identity primary key,
  dag_id text not null,
  task_id text,
  until_at timestamptz not null,
  reason text not null,
  created_by text not null,
  created_at timestamptz not null
);
create index alert_mutes_of_dag on alert_mutes (dag_id, until_at);
