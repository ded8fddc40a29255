-- Runs are removed by their id; without this each removal would read all keys.
create index idempotency_keys_by_run on idempotency_keys (run_id);
