import type { Guard } from './guards-outside.js'
import { simulate } from './simulation.js'

/** Sluice with guards taken away, and what the simulation says to it. docs/simulation.md lists the same. */
export interface Mutant {
  without: Guard[]
  /** the invariant that tells; null when another guard stands behind this one, so that nothing breaks or hardly ever */
  foundBy: string | null
  /** where it was found last, looked at first: to look at all before it takes time and shows nothing new */
  seed?: number
}

export const MUTANTS: Mutant[] = [
  { without: ['claim_token'], foundBy: 'no finish from a lost claim', seed: 21 },
  { without: ['given_back'], foundBy: 'only what nobody runs is given back', seed: 16 },
  { without: ['late_finish'], foundBy: 'no finish from a lost claim', seed: 5 },
  { without: ['lease_check'], foundBy: 'leases are kept' },
  { without: ['queued_only'], foundBy: 'one live claim' },
  { without: ['epoch_claim'], foundBy: 'epoch', seed: 65 },
  { without: ['epoch_takeover'], foundBy: 'leases are kept', seed: 4 },
  { without: ['claim_end'], foundBy: 'every attempt ends', seed: 2 },
  { without: ['expected_state'], foundBy: 'compare-and-set', seed: 3 },
  { without: ['revision'], foundBy: 'compare-and-set', seed: 5 },
  { without: ['expected_state', 'revision'], foundBy: 'retries', seed: 35 },
  { without: ['settled_mark'], foundBy: 'every outcome is settled' },
  { without: ['recorded_outcome'], foundBy: 'only what is recorded counts', seed: 4 },
  { without: ['unique_run'], foundBy: 'one run per tick', seed: 1 },
  { without: ['unique_run', 'tick_expect'], foundBy: 'one run per tick' },
  { without: ['slot_expect'], foundBy: 'backfills go forward', seed: 43 },

  { without: ['idempotency'], foundBy: 'idempotency' },
  { without: ['unique_event'], foundBy: 'one run per event', seed: 27 },
  { without: ['event_of_one_run'], foundBy: 'one run per event', seed: 5 },
  { without: ['wait_met'], foundBy: 'nothing is woken in vain', seed: 5 },
  { without: ['look_lease'], foundBy: 'one look at a time', seed: 4 },
  { without: ['pool_limit'], foundBy: 'pool limit' },
  { without: ['max_active_tasks'], foundBy: 'max_active_tasks' },
  { without: ['max_active_runs'], foundBy: 'max_active_runs' },
  { without: ['items_aside'], foundBy: 'a task ends after its items', seed: 18 },
  { without: ['done_stands'], foundBy: 'only what stands is taken over', seed: 5 },
  { without: ['overlap'], foundBy: 'overlap', seed: 46 },
  { without: ['past_of_run'], foundBy: 'depends on past: runs', seed: 2 },
  { without: ['past_of_task'], foundBy: 'depends on past: tasks', seed: 109 },
  { without: ['past_wake', 'past_found'], foundBy: 'what is ready is found', seed: 109 },
  { without: ['unsettled_mark'], foundBy: 'what is ready is found', seed: 6 },
  { without: ['commit_token'], foundBy: 'one commit per token' },
  { without: ['conflict'], foundBy: 'acknowledged is written', seed: 25 },
  { without: ['sweep'], foundBy: 'every run ends', seed: 6 },
  { without: ['sla_revision'], foundBy: 'one notice of a kind', seed: 2 },
  { without: ['sla_pause'], foundBy: 'no SLA of a paused DAG', seed: 325 },
  { without: ['sla_look'], foundBy: 'recovery is told', seed: 9 },
  { without: ['alert_key'], foundBy: 'an alert is raised once', seed: 3 },
  { without: ['alerts_in_step'], foundBy: 'every retry is told', seed: 2 },
  { without: ['checks_kept'], foundBy: 'failed checks are told' },
  { without: ['one_open_message'], foundBy: 'one message under way', seed: 71 },
  { without: ['message_lease'], foundBy: 'one sender at a time' },
  { without: ['message_token'], foundBy: 'no end from a lost sender', seed: 59 },
  { without: ['outputs_kept'], foundBy: 'what a branch leaves out', seed: 38 },
  { without: ['outputs_anew'], foundBy: 'what a branch follows', seed: 34 },
  { without: ['outcome_final'], foundBy: 'no retry in vain', seed: 4 },
  { without: ['outcome_reason'], foundBy: 'a skip says why' },
  { without: ['mute'], foundBy: 'muted is not sent', seed: 5 },
  { without: ['mute_raised'], foundBy: 'raised while muted is never sent', seed: 1 },
  { without: ['mute_end'], foundBy: 'only what is muted is left out' },

  { without: ['registered_expect'], foundBy: 'a schedule goes on', seed: 3682 },
  { without: ['broken_stays'], foundBy: 'the last good version goes on', seed: 3 },
  { without: ['broken_before'], foundBy: 'what happens to a file is told once', seed: 3 },
  { without: ['problems_seen'], foundBy: 'what happens to a file is told', seed: 308 },
  { without: ['one_registrar'], foundBy: 'a breakage is told once', seed: 2559 },
  { without: ['sweep'], foundBy: 'every silence is told', seed: 39 },
  { without: ['silence_key'], foundBy: 'a silence is told once', seed: 3 },
  { without: ['signed_off'], foundBy: 'only the silent are told of', seed: 6 },
  { without: ['left_while_queued'], foundBy: 'no handle is lost', seed: 11 },
  { without: ['calendar'], foundBy: 'only what is due' },
  { without: ['past_found'], foundBy: null },
  { without: ['past_wake'], foundBy: null },
  { without: ['tick_expect'], foundBy: null },
  { without: ['tick_version'], foundBy: null },
  { without: ['tick_advance'], foundBy: null },
  { without: ['slot_choice'], foundBy: null },
  { without: ['child_key'], foundBy: null },
]

export interface Hunt {
  /** the seed that it was found in; null when it was in none */
  seeds: number | null
  /** all invariants that were violated on the way */
  violated: Set<string>
}

/** Looks through seeds until `invariant` (or, when null, any) is violated. */
export async function hunt({ without, foundBy }: Mutant, limit: number, first = 1): Promise<Hunt> {
  const violated = new Set<string>()
  const all = Array.from({ length: limit }, (_, index) => index + 1)
  for (const seed of [first, ...all.filter((other) => other !== first)]) {
    for (const { invariant } of (await simulate(seed, without)).violations) violated.add(invariant)
    if (foundBy === null ? violated.size > 0 : violated.has(foundBy)) return { seeds: seed, violated }
  }
  return { seeds: null, violated }
}
