import type { JsonObject } from '../../json.js'

/** What people are told of. */
export const ALERT_KINDS = [
  'sla_missed',
  'sla_at_risk',
  'sla_recovered',
  'task_failed',
  'task_retry',
  'task_recovered',
  'run_failed',
  'run_recovered',
  'checks_failed',
  'file_broken',
  'file_mended',
  'worker_gone',
  'test',
] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

/** Something that has happened and that somebody is to be told of; raised in the step that makes it true. */
export interface AlertEvent {
  /** names it for ever: raising it a second time does nothing */
  key: string
  kind: AlertKind
  /** what it is about, so that a recovery finds its failure: `sales`, `sales.load`, `file sales.yaml` */
  subject: string
  dagId: string | null
  runId: string | null
  /** as declared; items of a task with `for_each` do not raise alerts of their own */
  taskId: string | null
  /** what only this moment knows; the rest is read when the message is written */
  payload: JsonObject
  /** whom it goes to (`destinationsOf`), each once; none: it is only shown */
  destinations: readonly string[]
  /** raised only when the newest alert on the subject, of this kind or its own, is of this kind; null for always */
  after: AlertKind | null
}

/** Whom a DAG file names below `on_failure` and the like. */
export interface Recipients {
  /** addresses, written as in the file */
  email: string[]
  /** name of a connection of type webhook; null for none */
  webhook: string | null
}

/** A destination taken apart. */
export type Destination = { kind: 'email'; to: string[] } | { kind: 'webhook'; name: string }

const EMAIL = 'email '
const WEBHOOK = 'webhook '

/**
 * The destinations of recipients, each as the text that the store groups messages by. Addresses that go together are one
 * destination: in small letters, sorted, each once, so that the same people are the same destination however they are written.
 */
export function destinationsOf({ email, webhook }: Recipients): string[] {
  return [...emailDestination(email), ...(webhook === null ? [] : [`${WEBHOOK}${webhook}`])]
}

/** At most one: the destination of these addresses together. */
export function emailDestination(addresses: readonly string[]): string[] {
  const to = [...new Set(addresses.map((address) => address.trim().toLowerCase()))].filter((one) => one !== '').sort()
  return to.length === 0 ? [] : [`${EMAIL}${to.join(' ')}`]
}

/** The addresses, or the webhook, that a destination stands for. @throws when the text was not made by `destinationsOf` */
export function parseDestination(text: string): Destination {
  if (text.startsWith(EMAIL)) return { kind: 'email', to: text.slice(EMAIL.length).split(' ') }
  if (text.startsWith(WEBHOOK)) return { kind: 'webhook', name: text.slice(WEBHOOK.length) }
  throw new Error(`${text} is no destination of alerts`)
}
