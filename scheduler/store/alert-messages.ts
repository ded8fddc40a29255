import type { Instant } from '../../json.js'
import type { AlertKind } from '../core/alert.js'
import { STORM_ALERTS, type WaitingDestination } from '../core/alert-batches.js'
import type {
  AlertMessageStore,
  ClaimedMessage,
  ListedMessage,
  MessageContent,
  MessageEnd,
  MessageState,
} from './alert-store.js'
import { ALERT_COLUMNS, type AlertRow, changeOf, toAlert } from './alerts.js'
import { type Database, sqlInstant, sqlInstantOrNull } from './database.js'

/** One probe for each destination, however many alerts wait. */
const OUTBOX = `
with recursive waiting as (
  (select destination from alert_deliveries where state = 'waiting' order by destination limit 1)
  union all
  select n.destination from waiting w cross join lateral (
    select destination from alert_deliveries where state = 'waiting' and destination > w.destination
    order by destination limit 1
  ) n
)
select w.destination, first.since, newest.since as newest, lately.messages as lately,
  exists (select 1 from alert_messages o where o.destination = w.destination and o.state = 'waiting' and not o.by_hand) as is_open
from waiting w
cross join lateral (
  select since from alert_deliveries d where d.state = 'waiting' and d.destination = w.destination order by since limit 1
) first
cross join lateral (
  select since from alert_deliveries d where d.state = 'waiting' and d.destination = w.destination order by since desc limit 1
) newest
cross join lateral (
  select coalesce(jsonb_agg(jsonb_build_object('alerts', alerts, 'at', extract(epoch from created_at) * 1000)
    order by message_id desc), '[]') as messages
  from (
    select message_id, alerts, created_at from alert_messages m where m.destination = w.destination
    order by message_id desc limit ${STORM_ALERTS}
  ) m
) lately
order by w.destination`

const NEXT_ATTEMPT = `
select min(greatest(next_attempt_at, coalesce(lease_until, next_attempt_at))) as at from alert_messages where state = 'waiting'`

/**
 * The rows are locked first, in one order: a second scheduler waits, and then finds that they wait no longer. Muted is what
 * is muted now, and what was when it was raised: a storm may outlast its mute in the outbox.
 */
const MAKE_MESSAGES = `
with waiting as materialized (
  select d.alert_id, d.destination, case
      when a.acknowledged_at is not null then 'acknowledged'
      when exists (select 1 from alert_mutes m where m.dag_id = a.dag_id and (m.task_id is null or m.task_id = a.task_id)
        and m.until_at > least(a.raised_at, $2) and (m.until_at > $2 or m.created_at <= a.raised_at)) then 'muted'
      else 'in_message' end as verdict
  from alert_deliveries d join alerts a using (alert_id)
  where d.state = 'waiting' and d.destination = any($1::text[]) order by d.destination, d.alert_id for update of d
), message as (
  insert into alert_messages (destination, state, alerts, next_attempt_at, created_at)
  select destination, 'waiting', count(*), $2, $2 from waiting where verdict = 'in_message' group by destination
  on conflict (destination) where state = 'waiting' and not by_hand do nothing
  returning message_id, destination
), put as (
  update alert_deliveries d set state = w.verdict, message_id = m.message_id
  from waiting w left join message m on m.destination = w.destination and w.verdict = 'in_message'
  where d.alert_id = w.alert_id and d.destination = w.destination and (w.verdict <> 'in_message' or m.message_id is not null)
)
select message_id from message`

const CLAIM_MESSAGES = `
with picked as materialized (
  select message_id from alert_messages
  where state = 'waiting' and next_attempt_at <= $1 and (lease_until is null or lease_until <= $1)
  order by next_attempt_at, message_id limit $3 for update skip locked
)
update alert_messages m set claim_token = gen_random_uuid()::text, lease_until = $2, attempts = m.attempts + 1
from picked p where m.message_id = p.message_id
returning m.message_id, m.key, m.destination, m.attempts, m.created_at, m.claim_token, m.lease_until`

const SETTLE_MESSAGE = `
with settled as (
  update alert_messages set state = $3, problem = $4, next_attempt_at = coalesce($5, next_attempt_at), claim_token = null,
    lease_until = null, ended_at = case when $3 = 'waiting' then null else $6::timestamptz end
  where message_id = $1 and claim_token = $2 and state = 'waiting' returning alerts
), refused as (
  insert into alert_messages (destination, state, alerts, attempts, next_attempt_at, problem, created_at, ended_at)
  select $7, 'dead', alerts, 1, $6, $4, $6, $6 from settled where $7::text is not null returning message_id
), kept as (
  insert into alert_deliveries (alert_id, destination, since, state, message_id)
  select d.alert_id, $7, d.since, 'in_message', r.message_id from refused r join alert_deliveries d on d.message_id = $1
  on conflict do nothing
)
select 1 from settled`

/** The outbox: messages that carry alerts to where they go. */
export class AlertMessageQueries implements AlertMessageStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async outbox(): Promise<{ waiting: WaitingDestination[]; nextAttemptAt: Instant | null }> {
    const [waiting = [], next = []] = await this.#database.transaction([
      { sql: OUTBOX, params: [] },
      { sql: NEXT_ATTEMPT, params: [] },
    ])
    return {
      waiting: (waiting as OutboxRow[]).map((row) => ({
        destination: row.destination,
        since: row.since,
        newest: row.newest,
        isOpen: row.is_open,
        lately: row.lately,
      })),
      nextAttemptAt: (next[0]?.at ?? null) as Instant | null,
    }
  }

  async makeMessages(destinations: readonly string[], now: Instant): Promise<number> {
    if (destinations.length === 0) return 0
    return (await this.#database.query(MAKE_MESSAGES, [destinations, sqlInstant(now)])).length
  }

  async dropDestination(destination: string): Promise<void> {
    await this.#database.query(
      "update alert_deliveries set state = 'off' where state = 'waiting' and destination = $1",
      [destination],
    )
  }

  async claimMessages({
    now,
    leaseMs,
    limit,
  }: Parameters<AlertMessageStore['claimMessages']>[0]): Promise<ClaimedMessage[]> {
    const rows = await this.#database.query<MessageRow>(CLAIM_MESSAGES, [
      sqlInstant(now),
      sqlInstant(now + leaseMs),
      limit,
    ])
    return rows.map(toClaimedMessage)
  }

  async messageContent(messageId: number, limit: number): Promise<MessageContent> {
    const [alerts = [], counts = []] = await this.#database.transaction([
      {
        sql: `select ${ALERT_COLUMNS} from alert_deliveries d join alerts a using (alert_id) where d.message_id = $1
          order by d.alert_id limit $2`,
        params: [messageId, limit],
      },
      {
        sql: `select a.kind, a.dag_id, count(*) as count from alert_deliveries d join alerts a using (alert_id)
          where d.message_id = $1 group by a.kind, a.dag_id order by count(*) desc, a.kind, a.dag_id`,
        params: [messageId],
      },
    ])
    return {
      alerts: (alerts as AlertRow[]).map(toAlert),
      counts: (counts as { kind: AlertKind; dag_id: string | null; count: number }[]).map((row) => {
        return { kind: row.kind, dagId: row.dag_id, count: row.count }
      }),
    }
  }

  async settleMessage(
    { id, claimToken }: Pick<ClaimedMessage, 'id' | 'claimToken'>,
    end: MessageEnd,
    now: Instant,
  ): Promise<'settled' | 'lost_claim'> {
    const rows = await this.#database.query(SETTLE_MESSAGE, [
      id,
      claimToken,
      end.state,
      end.problem,
      sqlInstantOrNull(end.state === 'waiting' ? end.retryAt : null),
      sqlInstant(now),
      end.state === 'sent' ? end.refused : null,
    ])
    return rows.length === 1 ? 'settled' : 'lost_claim'
  }

  async releaseMessages(): Promise<void> {
    await this.#database.query(
      "update alert_messages set lease_until = null, claim_token = null where state = 'waiting' and lease_until is not null",
    )
  }

  async retryMessage(messageId: number, now: Instant): Promise<'changed' | 'unchanged' | 'unknown'> {
    const [row] = await this.#database.query<{ known: boolean; changed: boolean }>(
      `with changed as (
        update alert_messages set state = 'waiting', by_hand = true, next_attempt_at = $2, ended_at = null, problem = ''
        where message_id = $1 and state = 'dead' returning 1
      ) select exists (select 1 from alert_messages where message_id = $1) as known,
        exists (select 1 from changed) as changed`,
      [messageId, sqlInstant(now)],
    )
    return changeOf(row)
  }

  async listMessages({
    state,
    before,
    limit,
  }: Parameters<AlertMessageStore['listMessages']>[0]): Promise<ListedMessage[]> {
    const rows = await this.#database.query<ListedRow>(
      `select message_id, destination, state, alerts, attempts, next_attempt_at, problem, created_at, ended_at
        from alert_messages where ($1::text is null or state = $1) and ($2::bigint is null or message_id < $2)
        order by message_id desc limit $3`,
      [state, before, limit],
    )
    return rows.map((row) => ({
      id: row.message_id,
      destination: row.destination,
      state: row.state,
      alerts: row.alerts,
      attempts: row.attempts,
      nextAttemptAt: row.next_attempt_at,
      problem: row.problem,
      createdAt: row.created_at,
      endedAt: row.ended_at,
    }))
  }
}

interface ListedRow extends Record<string, unknown> {
  message_id: number
  destination: string
  state: MessageState
  alerts: number
  attempts: number
  next_attempt_at: Instant
  problem: string
  created_at: Instant
  ended_at: Instant | null
}

interface OutboxRow extends Record<string, unknown> {
  destination: string
  since: Instant
  newest: Instant
  lately: { alerts: number; at: Instant }[]
  is_open: boolean
}

interface MessageRow extends Record<string, unknown> {
  message_id: number
  key: string
  destination: string
  attempts: number
  created_at: Instant
  claim_token: string
  lease_until: Instant
}

function toClaimedMessage(row: MessageRow): ClaimedMessage {
  return {
    id: row.message_id,
    key: row.key,
    destination: row.destination,
    attempts: row.attempts,
    createdAt: row.created_at,
    claimToken: row.claim_token,
    leaseUntil: row.lease_until,
  }
}
