/**
 * What keeps the promises of the store, each of which can be taken away so that the simulation proves that it would
 * notice. The real stores have no such switch.
 */
export const STORE_GUARDS = [
  'claim_token',
  'late_finish',
  'lease_check',
  'queued_only',
  'epoch_claim',
  'epoch_takeover',
  'claim_end',
  'expected_state',
  'revision',
  'settled_mark',
  'unique_run',
  'tick_expect',
  'tick_advance',
  'slot_expect',
  'slot_choice',
  'idempotency',
  'wait_met',
  'child_key',
  'unique_event',
  'event_of_one_run',
  'pool_limit',
  'max_active_tasks',
  'max_active_runs',
  'alert_key',
  'one_open_message',
  'message_lease',
  'message_token',
  'mute',
  'sla_revision',
  'sla_pause',
  'sla_look',
] as const
export type StoreGuard = (typeof STORE_GUARDS)[number]
