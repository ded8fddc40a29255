import { createHash } from 'node:crypto'
import { createTransport, type Transporter } from 'nodemailer'
import { authoritiesWith } from '../../authorities.js'
import { messageOf } from '../../errors.js'
import type { RenderedMessage } from './message.js'

/** A connection of type `smtp`, its secrets resolved. */
export interface SmtpSettings {
  host: string
  port: number
  user: string | null
  password: string | null
  /** `required`: nothing is sent without a verified certificate; `opportunistic`: TLS where it is offered; `none`: never */
  tls: 'required' | 'opportunistic' | 'none'
  /** certificates (PEM) to trust besides the system's; null for none */
  ca: string | null
}

export interface Envelope {
  /** `Sluice <sluice@example.com>` */
  from: string
  to: readonly string[]
  /** stays the same whenever this mail is sent again, so that a reader sees it once (messageIdOf) */
  messageId: string
}

/** How one sending ended. */
export type SendResult =
  | { sent: true; refused: string[] }
  /** `permanent`: the server said that sending it again is of no use */
  | { sent: false; permanent: boolean; reason: string }

const CONNECT_MS = 10_000
const SILENCE_MS = 20_000
/** Submission over TLS from the first byte (RFC 8314). */
const IMPLICIT_TLS_PORT = 465

/** Sends mails to one SMTP server, a connection for each. It never retries: the outbox does, and remembers. */
export class SmtpSender {
  readonly #transport: Transporter

  constructor(settings: SmtpSettings) {
    const implicit = settings.tls !== 'none' && settings.port === IMPLICIT_TLS_PORT
    this.#transport = createTransport({
      host: settings.host,
      port: settings.port,
      secure: implicit,
      requireTLS: settings.tls === 'required',
      ignoreTLS: settings.tls === 'none',
      tls: {
        rejectUnauthorized: settings.tls === 'required',
        ...(settings.ca === null ? {} : { ca: authoritiesWith(settings.ca) }),
      },
      ...(settings.user === null ? {} : { auth: { user: settings.user, pass: settings.password ?? '' } }),
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      // Nothing of a mail is ever read from a file or fetched.
      disableFileAccess: true,
      disableUrlAccess: true,
    })
  }

  /** Sends one mail. Everything that can go wrong is a value; its reason carries no credentials. */
  async send(envelope: Envelope, message: RenderedMessage): Promise<SendResult> {
    try {
      const { rejected = [] } = await this.#transport.sendMail({
        from: envelope.from,
        to: [...envelope.to],
        messageId: envelope.messageId,
        subject: message.subject,
        text: message.text,
        html: message.html,
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      })
      return {
        sent: true,
        refused: rejected.map(String),
      }
    } catch (error) {
      return { sent: false, permanent: isPermanent(error), reason: messageOf(error) }
    }
  }

  close(): void {
    this.#transport.close()
  }
}

/**
 * The Message-ID of an alert: the same for the same key, so that a mail that is sent again because nobody heard the
 * server's answer is the same mail.
 * @param key names the alert and its recipients in the store
 * @param from the sender, whose domain the id carries
 */
export function messageIdOf(key: string, from: string): string {
  const domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'sluice.invalid'
  return `<${createHash('sha256').update(key).digest('hex').slice(0, 40)}@${domain}>`
}

/** A 5xx answer to the mail itself or its recipients; a login that is refused may be mended, and so is none. */
function isPermanent(error: unknown): boolean {
  const { responseCode, code } = error as { responseCode?: unknown; code?: unknown }
  return typeof responseCode === 'number' && responseCode >= 500 && responseCode < 600 && code !== 'EAUTH'
}
