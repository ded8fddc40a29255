-- A request for a backfill that is sent again finds the backfill it has made.
alter table backfills add column idempotency_key text, add column request_hash text;
create unique index one_backfill_per_key on backfills (idempotency_key) where idempotency_key is not null;
