import type { Command } from 'commander'
import { SluiceError } from '../../errors.js'
import { isoInstant } from '../../json.js'
import type { AlertShape, MessageShape, MuteShape } from '../../scheduler/shapes.js'
import { type Client, requireRunning } from '../client.js'
import { type CommonOptions, collect, type JsonOption, jsonOption, projectOption, wholeNumber } from '../options.js'
import { printJson } from '../output/json.js'
import { printTable } from '../output/table.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'
import { durationArgument } from '../part.js'

type Options = CommonOptions & JsonOption

const ALERTS = [
  { title: 'ALERT', align: 'right' },
  { title: 'RAISED' },
  { title: 'KIND' },
  { title: 'ABOUT' },
  { title: 'STATE' },
  { title: 'RUN' },
] as const
const MESSAGES = [
  { title: 'MESSAGE', align: 'right' },
  { title: 'STATE' },
  { title: 'TO' },
  { title: 'ALERTS', align: 'right' },
  { title: 'TRIES', align: 'right' },
  { title: 'MADE' },
  { title: 'PROBLEM' },
] as const
const MUTES = [
  { title: 'MUTE', align: 'right' },
  { title: 'OF' },
  { title: 'UNTIL' },
  { title: 'BY' },
  { title: 'REASON' },
] as const

/** A test is waited for so long: the window in which alerts are gathered, and the sending. */
const TEST_MS = 60_000
const LOOK_MS = 500

/**
 * `sluice alerts`: one command for each thing that can be done about alerts, all of them over the running Sluice.
 * `test` waits a minute at most and ends with 1 when a delivery has not arrived by then.
 */
export function declare(command: Command): void {
  // `sluice alerts` alone lists them
  const sub = (name: string, description: string) =>
    projectOption(jsonOption(command.command(name, { isDefault: name === 'list' }).description(description)))
  sub('list', 'alerts, newest first')
    .argument('[dag]', 'only of this DAG')
    .option('--all', 'those too that somebody has acknowledged')
    .option('--limit <n>', 'at most so many', wholeNumber(1), 50)
    .action(list)
  sub('messages', 'the messages that carry alerts, newest first')
    .option('--dead', 'only those that were given up')
    .option('--waiting', 'only those that are still to be sent')
    .action(messages)
  sub('ack', 'take note: what was not sent is not sent any more')
    .argument('[alert...]', 'numbers of alerts')
    .option('--dag <dag>', 'all of this DAG')
    .option('--message <n>', 'all that this message carries', wholeNumber(1))
    .action(acknowledge)
  sub('mute', 'send no alerts of a DAG or task for a while; without --for list the mutes')
    .argument('[dag]', 'the DAG')
    .option('--task <task>', 'only of this task')
    .option('--for <duration>', 'e.g. 2h', durationArgument)
    .option('--reason <text>', 'for those who look', '')
    .action(mute)
  sub('unmute', 'end a mute now').argument('<mute>', 'its number', wholeNumber(1)).action(unmute)
  sub('retry', 'send a message again that was given up')
    .argument('<message>', 'its number', wholeNumber(1))
    .action(retry)
  sub('test', 'send a test, and wait until it has arrived or not')
    .option('--email <address>', 'to this address; may be given several times', collect, [])
    .option('--webhook <name>', 'to this webhook')
    .action(test)
}

async function list(dag: string | undefined, options: Options & { all?: boolean; limit: number }): Promise<void> {
  const query = new URLSearchParams({
    which: options.all === true ? 'all' : 'open',
    limit: String(Math.min(options.limit, 100)),
  })
  if (dag !== undefined) query.set('dag', dag)
  const alerts = await requireRunning(options.project).get<AlertShape[]>(`/alerts?${query}`)
  if (options.json === true) return printJson(alerts, terminal())
  if (alerts.length === 0)
    return terminal().print(options.all === true ? 'No alerts.' : 'No alerts that nobody has acknowledged.')
  printTable(ALERTS, alerts.map(alertRow), terminal())
}

function alertRow(alert: AlertShape): string[] {
  const about = alert.task !== null && alert.dag !== null ? `${alert.dag}.${alert.task}` : (alert.dag ?? alert.subject)
  const states = [...new Set(alert.deliveries.map(({ state }) => state))].join(', ')
  const state = alert.acknowledged_by === null ? states || 'shown' : `acknowledged by ${alert.acknowledged_by}`
  return [String(alert.alert), shortInstant(alert.raised_at), alert.kind, about, state, alert.run ?? '-']
}

async function messages(options: Options & { dead?: boolean; waiting?: boolean }): Promise<void> {
  const state = options.dead === true ? '?state=dead' : options.waiting === true ? '?state=waiting' : ''
  const found = await requireRunning(options.project).get<MessageShape[]>(`/alert-messages${state}`)
  if (options.json === true) return printJson(found, terminal())
  if (found.length === 0) return terminal().print('No messages.')
  const rows = found.map((one) => [
    String(one.message),
    one.state,
    one.to,
    String(one.alerts),
    String(one.attempts),
    shortInstant(one.created_at),
    one.problem,
  ])
  printTable(MESSAGES, rows, terminal())
}

async function acknowledge(alerts: string[], options: Options & { dag?: string; message?: number }): Promise<void> {
  const ids = alerts.map(Number)
  const asked = {
    ...(ids.length === 0 ? {} : { alerts: ids }),
    ...(options.dag === undefined ? {} : { dag: options.dag }),
    ...(options.message === undefined ? {} : { message: options.message }),
  }
  if (Object.keys(asked).length !== 1 || !ids.every((id) => Number.isSafeInteger(id) && id > 0)) {
    throw new SluiceError('WRONG_USE', 'Give numbers of alerts, or --dag, or --message.')
  }
  const answer = await requireRunning(options.project).post<{ acknowledged: number }>('/alerts/acknowledge', asked)
  if (options.json === true) return printJson(answer, terminal())
  terminal().print(`Acknowledged ${answer.acknowledged}.`)
}

async function mute(
  dag: string | undefined,
  options: Options & { task?: string; for?: number; reason: string },
): Promise<void> {
  const client = requireRunning(options.project)
  if (dag === undefined) return listMutes(client, options)
  if (options.for === undefined) throw new SluiceError('WRONG_USE', 'A mute needs its length, such as --for 2h.')
  const until = isoInstant(Date.now() + options.for)
  const asked = { dag, task: options.task ?? null, until, reason: options.reason }
  const answer = await client.post<{ mute: number }>('/alert-mutes', asked)
  if (options.json === true) return printJson(answer, terminal())
  terminal().print(
    `Mute ${answer.mute}: no alerts of ${dag}${options.task === undefined ? '' : `.${options.task}`} until ${shortInstant(until)}.`,
  )
}

async function listMutes(client: Client, options: JsonOption): Promise<void> {
  const mutes = await client.get<MuteShape[]>('/alert-mutes')
  if (options.json === true) return printJson(mutes, terminal())
  if (mutes.length === 0) return terminal().print('Nothing is muted.')
  const rows = mutes.map((one) => [
    String(one.mute),
    one.task === null ? one.dag : `${one.dag}.${one.task}`,
    shortInstant(one.until),
    one.created_by,
    one.reason,
  ])
  printTable(MUTES, rows, terminal())
}

async function unmute(id: number, options: Options): Promise<void> {
  const answer = await requireRunning(options.project).post<object>(`/alert-mutes/${id}/end`, {})
  if (options.json === true) return printJson(answer, terminal())
  terminal().print(`Mute ${id} has ended.`)
}

async function retry(id: number, options: Options): Promise<void> {
  const answer = await requireRunning(options.project).post<object>(`/alert-messages/${id}/retry`, {})
  if (options.json === true) return printJson(answer, terminal())
  terminal().print(`Message ${id} is sent again.`)
}

async function test(options: Options & { email: string[]; webhook?: string }): Promise<void> {
  const client = requireRunning(options.project)
  const asked = { email: options.email, webhook: options.webhook ?? null }
  const { key } = await client.post<{ key: string }>('/alerts/test', asked)
  const deliveries = await arrived(client, key)
  if (options.json === true) printJson(deliveries, terminal())
  else
    for (const one of deliveries)
      terminal().print(`${one.to}: ${one.state}${one.problem === '' ? '' : `, ${one.problem}`}`)
  if (deliveries.some(({ state }) => state !== 'sent')) process.exitCode = 1
}

/** Waits until each delivery of the alert has ended, or has failed once. */
async function arrived(client: Client, key: string): Promise<{ to: string; state: string; problem: string }[]> {
  const until = Date.now() + TEST_MS
  for (;;) {
    const [alerts, sent] = await Promise.all([
      client.get<AlertShape[]>('/alerts?limit=100'),
      client.get<MessageShape[]>('/alert-messages'),
    ])
    const deliveries = (alerts.find((alert) => alert.key === key)?.deliveries ?? []).map(({ to, state, message }) => {
      return { to, state, problem: sent.find((one) => one.message === message)?.problem ?? '' }
    })
    const isOver =
      deliveries.length > 0 && deliveries.every(({ state, problem }) => state !== 'waiting' || problem !== '')
    if (isOver || Date.now() > until) return deliveries
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
