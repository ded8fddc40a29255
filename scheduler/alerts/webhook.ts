import { createHmac } from 'node:crypto'
import { messageOf } from '../../errors.js'
import { isoInstant, type JsonObject } from '../../json.js'
import { exchange } from '../../operators/http/exchange.js'
import type { MessageContent } from '../store/alert-store.js'
import { type Digest, restText } from './digest.js'
import { COLOURS, cut, oneLine } from './mail-html.js'
import { type AlertContent, nameOf } from './message.js'
import type { SendResult } from './smtp.js'

/** A connection of type `webhook`, its secrets resolved. */
export interface WebhookSettings {
  url: string
  /** key of the signature; null sends unsigned */
  secret: string | null
  headers: Record<string, string>
}

const ANSWER_BYTES = 64 * 1024
const ANSWER_MS = 20_000
const ALERTS_LISTED = 100
const COUNTS_LISTED = 100
/** Chats fold what is longer. */
const ALERTS_NAMED = 20
const FIELD_LIMIT = 2_000

/**
 * Sends one message to a webhook that takes what Slack's take. The address comes from a connection of the project, so it
 * may be private (docs/adr/0007); no redirect is followed.
 * @param key names the message; the receiver knows by it what it has had already
 */
export async function sendWebhook(
  { url, secret, headers }: WebhookSettings,
  body: JsonObject,
  key: string,
  now: number,
): Promise<SendResult> {
  const text = JSON.stringify(body)
  const timestamp = String(Math.floor(now / 1_000))
  const signed = secret === null ? {} : { 'x-sluice-signature': `sha256=${signature(secret, timestamp, text)}` }
  try {
    const answer = await exchange(
      {
        url: new URL(url),
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json; charset=utf-8',
          'x-sluice-message': key,
          'x-sluice-timestamp': timestamp,
          ...signed,
        },
        body: Buffer.from(text),
        reach: 'own_origin',
        maxBytes: ANSWER_BYTES,
      },
      AbortSignal.timeout(ANSWER_MS),
    )
    if (answer.status >= 200 && answer.status < 300) return { sent: true, refused: [] }
    const said = oneLine(answer.body.toString('utf8', 0, 300))
    const reason = `${answer.status} ${answer.statusText}${said === '' ? '' : `: ${said}`}`
    return { sent: false, permanent: isPermanent(answer.status), reason }
  } catch (error) {
    return { sent: false, permanent: false, reason: messageOf(error) }
  }
}

/** Hex of the HMAC-SHA-256 of `timestamp.body`, so that neither can be changed and an old request is known as old. */
export function signature(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
}

/** What the sender has to change; a wrong login, a limit or a timeout may be mended without that. */
function isPermanent(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 403, 404, 408, 425, 429].includes(status)
}

/**
 * The body of a message: text and attachments as Slack and those like it show them, and the alerts as data.
 * @param details what there is to say of each of a few alerts; empty when they are many, which the digest counts and names
 */
export function webhookBody(
  subject: string,
  digest: Digest,
  details: readonly AlertContent[],
  { alerts, counts }: MessageContent,
  base: string,
): JsonObject {
  const headline = subject.replace(/^\[Sluice\] /, '')
  return {
    text: escaped(headline),
    attachments:
      details.length > 0 ? details.map((one) => ofAlert(one, details.length === 1, base)) : [ofDigest(digest, base)],
    total: digest.total,
    counts: counts.slice(0, COUNTS_LISTED).map(({ kind, dagId, count }) => ({ kind, dag: dagId, count })),
    alerts: alerts.slice(0, ALERTS_LISTED).map((alert) => ({
      kind: alert.kind,
      dag: alert.dagId,
      run: alert.runId,
      task: alert.taskId,
      raised_at: isoInstant(alert.raisedAt),
      payload: alert.payload,
    })),
  }
}

/** @param isAlone the text of the message says what is the matter */
function ofAlert(content: AlertContent, isAlone: boolean, base: string): JsonObject {
  const [link] = content.links
  const parts = isAlone ? [content.detail] : [content.summary, content.detail]
  return attachment(content, {
    title: escaped(nameOf(content)),
    title_link: `${base}${link?.path ?? '/alerts'}`,
    fallback: escaped(`${content.title}: ${nameOf(content)} ${content.summary}`),
    text: escaped(cut(oneLine(parts.filter((part) => part !== '').join(': ')), FIELD_LIMIT)),
    fields: fieldsOf(content),
  })
}

function ofDigest(digest: Digest, base: string): JsonObject {
  const named = digest.named.slice(0, ALERTS_NAMED)
  const lines = named.map(({ line, path }) => `<${base}${path}|${escaped(line).replaceAll('|', '/')}>`)
  const rest = restText(digest, named.length)
  return attachment(digest, {
    title: 'All alerts',
    title_link: `${base}/alerts`,
    fallback: escaped(`${digest.title}: ${digest.headline}`),
    text: [escaped(digest.detail), ...lines, ...(rest === '' ? [] : [rest])].join('\n'),
    fields: digest.facts,
  })
}

function attachment(
  { severity }: Pick<AlertContent, 'severity'>,
  {
    fields,
    ...parts
  }: { title: string; title_link: string; fallback: string; text: string } & {
    fields: AlertContent['facts']
  },
): JsonObject {
  return {
    ...parts,
    color: COLOURS[severity].text,
    fields: fields.map(([title, value]) => {
      return { title: escaped(title), value: escaped(cut(oneLine(value), FIELD_LIMIT)), short: value.length < 40 }
    }),
    footer: 'Sluice',
  }
}

/** The facts, and who waits. */
function fieldsOf(content: AlertContent): AlertContent['facts'] {
  const waiting = [
    ['Waiting for it', content.blocked],
    ['DAGs behind it', content.behind],
  ] as const
  return [
    ...content.facts,
    ...waiting.flatMap(([title, names]) => (names.length === 0 ? [] : [[title, names.join(', ')] as const])),
  ]
}

/** The three characters that mean something there; so neither a link nor a call to everybody can come from a name. */
function escaped(text: string): string {
  return oneLine(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
