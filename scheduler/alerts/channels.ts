import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf, SluiceError } from '../../errors.js'
import type { Instant } from '../../json.js'
import type { Config } from '../config.js'
import { BASE_URL_WITHOUT, SMTP_DEFAULTS } from '../config-defaults.js'
import { type Destination, emailDestination, parseDestination } from '../core/alert.js'
import { resolveSecrets } from '../secrets.js'
import type { ClaimedMessage, MessageContent } from '../store/alert-store.js'
import { contentOf } from './content.js'
import { digestOf, renderDigest } from './digest.js'
import type { AlertFacts } from './facts.js'
import { renderMessage } from './message.js'
import type { SendResult, SmtpSettings } from './smtp.js'
import { sendWebhook, type WebhookSettings, webhookBody } from './webhook.js'

/** How a message ended that was handed to its channel. */
export type Sent =
  /** `refused`: destination of those whom the server did not take */
  { sent: true; refused: string | null; problem: string } | { sent: false; permanent: boolean; problem: string }

/** Where messages go; the outbox asks this, tests and the simulation bring their own. */
export interface Channels {
  /** false: `sluice.yaml` says nothing of how to send there */
  canSend(destination: string): boolean
  /** Never throws. @param facts of each alert of a message that has only a few; none for one that has many */
  send(message: ClaimedMessage, content: MessageContent, facts: readonly AlertFacts[], now: Instant): Promise<Sent>
}

/**
 * The channels of `sluice.yaml`. Secrets are resolved at each sending, so one that was mended is used at once, and kept by
 * nobody.
 */
export function createChannels(config: Pick<Config, 'project' | 'connections' | 'alerts' | 'baseUrl'>): Channels {
  const base = config.baseUrl ?? BASE_URL_WITHOUT
  return {
    canSend: (destination) => isConfigured(config, parseDestination(destination)),
    async send(message, content, facts, now) {
      try {
        const details = content.alerts.flatMap((alert, index) => {
          const known = facts[index]
          return known === undefined ? [] : [contentOf(alert, known)]
        })
        const [single] = details.length === 1 ? details : []
        const digest = digestOf(content, message.createdAt)
        const rendered = single === undefined ? renderDigest(digest, details, base) : renderMessage(single, base)
        const destination = parseDestination(message.destination)
        if (destination.kind === 'webhook') {
          const settings = webhookSettings(config, destination.name)
          const body = webhookBody(rendered.subject, digest, details, content, base)
          return toSent(await sendWebhook(settings, body, message.key, now))
        }
        return toSent(await sendMail(config, message.key, destination.to, rendered))
      } catch (error) {
        // a secret that is missing, a certificate that cannot be read: it may be mended
        return { sent: false, permanent: false, problem: messageOf(error) }
      }
    },
  }
}

function isConfigured({ alerts, connections }: Pick<Config, 'alerts' | 'connections'>, to: Destination): boolean {
  return to.kind === 'email' ? alerts.email !== null : connections[to.name]?.type === 'webhook'
}

async function sendMail(
  config: Pick<Config, 'project' | 'connections' | 'alerts'>,
  key: string,
  to: readonly string[],
  rendered: ReturnType<typeof renderMessage>,
): Promise<SendResult> {
  const { email } = config.alerts
  if (email === null) throw new SluiceError('CONFIG_INVALID', 'sluice.yaml has no alerts.email.')
  // most processes never send a mail, and need not carry what it takes
  const { messageIdOf, SmtpSender } = await import('./smtp.js')
  const sender = new SmtpSender(smtpSettings(config, email.connection))
  try {
    return await sender.send({ from: email.from, to, messageId: messageIdOf(key, email.from) }, rendered)
  } finally {
    sender.close()
  }
}

function toSent(result: SendResult): Sent {
  if (!result.sent) return { sent: false, permanent: result.permanent, problem: result.reason }
  const [refused = null] = emailDestination(result.refused)
  return { sent: true, refused, problem: refused === null ? '' : `refused for ${result.refused.join(', ')}` }
}

/**
 * The mail server of a connection, with its secrets resolved and its certificate read.
 * @throws SluiceError SECRET_MISSING, CONFIG_INVALID
 */
function smtpSettings({ project, connections }: Pick<Config, 'project' | 'connections'>, name: string): SmtpSettings {
  const connection = resolved(project, connections, name)
  const ca = connection.ca === undefined ? null : certificate(resolve(project, String(connection.ca)), name)
  return {
    host: String(connection.host),
    port: typeof connection.port === 'number' ? connection.port : SMTP_DEFAULTS.port,
    user: connection.user === undefined ? null : String(connection.user),
    password: connection.password === undefined ? null : String(connection.password),
    tls: (connection.tls ?? SMTP_DEFAULTS.tls) as SmtpSettings['tls'],
    ca,
  }
}

function webhookSettings(
  { project, connections }: Pick<Config, 'project' | 'connections'>,
  name: string,
): WebhookSettings {
  const { url, secret, headers = {} } = resolved(project, connections, name)
  return {
    url: String(url),
    secret: secret === undefined ? null : String(secret),
    headers: Object.fromEntries(Object.entries(headers as object).map(([field, value]) => [field, String(value)])),
  }
}

function resolved(project: string, connections: Config['connections'], name: string): Record<string, unknown> {
  const connection = connections[name]
  if (connection === undefined)
    throw new SluiceError('CONFIG_INVALID', `There is no connection ${name} in sluice.yaml.`)
  const source = { env: process.env, folder: project }
  return resolveSecrets(connection, source, `sluice.yaml: connections.${name}`, () => undefined)
}

function certificate(path: string, connection: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `Connection ${connection}: its ca file ${path} cannot be read.`
    throw new SluiceError('CONFIG_INVALID', message, { cause, hint: 'Give the path of a PEM file.' })
  }
}
