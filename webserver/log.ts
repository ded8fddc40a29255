import pino from 'pino'

/** The web server's own log: JSON lines on standard error, where the command line does not print. */
const log = pino({ name: 'web', level: process.env.SLUICE_LOG_LEVEL ?? 'warn' }, pino.destination(2))

/** An error nobody has foreseen; the answer says only that it happened. */
export function logDefect(error: unknown, place: string): void {
  log.error({ err: error, place }, 'defect')
}

/** A delivery to a webhook that nobody was let in by; its sender is told only that. */
export function logRefused(dag: string, webhook: string, fault: string): void {
  log.warn({ dag: dag.slice(0, 100), webhook: webhook.slice(0, 100), fault }, 'a delivery was refused')
}
