import { isObject, type JsonObject, type JsonSchema } from '../../json.js'
import type { Recipients } from '../core/alert.js'
import type { AlertRules } from './model.js'
import type { Report } from './report.js'
import { didYouMean, listed } from './suggest.js'
import type { Path } from './tree.js'

/** One address without a display name: nothing that could end a header or begin another recipient. */
const ADDRESS_PATTERN = '^[^\\s@<>,;:"()\\[\\]\\\\]+@[^\\s@<>,;:"()\\[\\]\\\\]+$'

/** One e-mail address. */
export const ADDRESS_SCHEMA: JsonSchema = {
  type: 'string',
  pattern: ADDRESS_PATTERN,
  maxLength: 254,
  'x-template': 'none',
  'x-expects': 'an e-mail address such as data@example.com',
}

/** Who is told by mail. */
const EMAIL_SCHEMA: JsonSchema = {
  title: 'E-mail',
  description: 'Addresses; they get one mail together. The mail server is `alerts.email` in sluice.yaml.',
  type: 'array',
  maxItems: 50,
  uniqueItems: true,
  items: ADDRESS_SCHEMA,
  examples: [['sales-data@example.com']],
}

/** Keys that name whom something goes to. */
export const RECIPIENT_KEYS: JsonSchema = {
  email: EMAIL_SCHEMA,
  webhook: {
    title: 'Webhook',
    description: 'Name of a connection of type webhook in sluice.yaml.',
    type: 'string',
    minLength: 1,
    maxLength: 100,
    'x-template': 'none',
    examples: ['chat'],
  },
}

function recipients(title: string, description: string): JsonSchema {
  return {
    title,
    description,
    type: 'object',
    additionalProperties: false,
    properties: RECIPIENT_KEYS,
    'x-expects': 'a map such as { email: [data@example.com], webhook: chat }',
    examples: [{ email: ['sales-data@example.com'] }],
  }
}

const TASK_RETRY = 'Who is told of each retry of a task.'
const CHECKS = 'Who is told when checks of a task have failed, those with `severity: warn` too.'

/** Keys of a DAG that say who is told of what. */
export const DAG_ALERT_KEYS: JsonSchema = {
  on_failure: recipients(
    'On failure',
    'Who is told when a run has failed. Without it those in `alerts` of sluice.yaml are; `{}` tells nobody.',
  ),
  on_recovery: recipients(
    'On recovery',
    'Who is told of the first run that ends well after a failure; those in `on_failure` when it is not given.',
  ),
  on_retry: recipients('On retry', TASK_RETRY),
  on_failed_checks: recipients('On failed checks', CHECKS),
}

/** The same of a task, also below `defaults`. */
export const TASK_ALERT_KEYS: JsonSchema = {
  on_failure: recipients('On failure', 'Who is told when the task has failed and has no tries left, at once.'),
  on_recovery: recipients(
    'On recovery',
    'Who is told when the task ends well after a failure; those in `on_failure` when it is not given.',
  ),
  on_retry: recipients('On retry', `${TASK_RETRY} Those of the DAG when it is not given.`),
  on_failed_checks: recipients('On failed checks', `${CHECKS} Those of the DAG when it is not given.`),
}

/** The rules of a DAG or task in which nothing is wrong. */
export function alertRulesOf(owner: JsonObject): AlertRules {
  return {
    onFailure: recipientsOf(owner.on_failure),
    onRetry: recipientsOf(owner.on_retry),
    onRecovery: recipientsOf(owner.on_recovery),
    onFailedChecks: recipientsOf(owner.on_failed_checks),
  }
}

/** Null where the file does not say. */
export function recipientsOf(value: unknown): Recipients | null {
  if (!isObject(value)) return null
  return {
    email: Array.isArray(value.email) ? value.email.map(String) : [],
    webhook: typeof value.webhook === 'string' ? value.webhook : null,
  }
}

/**
 * Webhooks that `sluice.yaml` does not know.
 * @param webhooks names of connections of type webhook; null when they are not known
 */
export function checkWebhooks(owner: unknown, path: Path, webhooks: ReadonlySet<string> | null, report: Report): void {
  if (webhooks === null || !isObject(owner)) return
  for (const key of [...Object.keys(DAG_ALERT_KEYS), 'sla']) {
    const told = owner[key]
    if (!isObject(told) || typeof told.webhook !== 'string' || webhooks.has(told.webhook)) continue
    const there = webhooks.size === 0 ? 'there is none' : `there are ${listed([...webhooks], 'and')}`
    const message = `there is no connection \`${told.webhook.slice(0, 100)}\` of type webhook; ${there}`
    const hint = didYouMean(told.webhook, webhooks) || 'add it below `connections` in sluice.yaml'
    report.error([...path, key, 'webhook'], 'value', message, hint)
  }
}
