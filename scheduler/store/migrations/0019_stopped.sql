-- An attempt that a clean stop of its worker has ended: it costs its task no try.
alter table attempts drop constraint attempts_result_check;
alter table attempts add constraint attempts_result_check
  check (result in ('success', 'failed', 'skipped', 'timed_out', 'cancelled', 'lost', 'deferred', 'stopped'));
