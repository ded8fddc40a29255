import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SMTPServerOptions } from 'smtp-server'
import { afterEach, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../../package-root.js'
import { type AlertContent, renderMessage } from '../../../scheduler/alerts/message.js'
import { messageIdOf, SmtpSender, type SmtpSettings } from '../../../scheduler/alerts/smtp.js'
import { startMailServer } from './mail-server.js'

const CONTENT: AlertContent = {
  severity: 'bad',
  title: 'SLA missed',
  dagId: 'northwind_sales',
  taskId: 'rfm',
  summary: 'was due by 07:00 Paris',
  detail: 'It is still running.',
  facts: [['Due by', 'Fri 20 Nov 2026, 07:00 Paris']],
  links: [{ label: 'Open the run', path: '/dags/northwind_sales/runs/northwind_sales-20261120T050000Z' }],
  log: ['stage 3 of 9'],
  blocked: ['audit'],
  behind: [],
  footer: 'The only mail for this miss.',
}
const MESSAGE = renderMessage(CONTENT, 'https://sluice.example.com/')
const FROM = 'Sluice <sluice@example.com>'
const ENVELOPE = { from: FROM, to: ['team@example.com'], messageId: messageIdOf('northwind_sales/missed', FROM) }

const tls = (file: string): string => readFileSync(join(PACKAGE_ROOT, 'tests/lakehouse/tls', file), 'utf8')

const open: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function serverAndSender(options: SMTPServerOptions, settings: Partial<SmtpSettings> = {}) {
  const server = await startMailServer(options)
  open.push(server.stop)
  return { server, sender: senderTo(server.port, settings) }
}

function senderTo(port: number, settings: Partial<SmtpSettings> = {}): SmtpSender {
  const sender = new SmtpSender({
    host: '127.0.0.1',
    port,
    user: null,
    password: null,
    tls: 'none',
    ca: null,
    ...settings,
  })
  open.push(() => sender.close())
  return sender
}

const LOGIN: SMTPServerOptions = {
  authOptional: false,
  disabledCommands: [],
  onAuth: ({ username, password }, _session, callback) =>
    password === 'right' ? callback(null, { user: username ?? '' }) : callback(new Error('wrong password')),
}

describe('a mail sent to a real server', () => {
  it('arrives whole: addresses, id, subject, text and HTML', async () => {
    const { server, sender } = await serverAndSender({})
    expect(await sender.send(ENVELOPE, MESSAGE)).toEqual({ sent: true, refused: [] })
    const [{ mail, to } = { mail: null, to: [] }] = server.received
    expect(to).toEqual(['team@example.com'])
    expect(mail?.from?.text).toBe('"Sluice" <sluice@example.com>')
    expect(mail?.subject).toBe('[Sluice] SLA missed: northwind_sales.rfm was due by 07:00 Paris')
    expect(mail?.messageId).toBe(ENVELOPE.messageId)
    expect(mail?.text).toContain(
      'https://sluice.example.com/dags/northwind_sales/runs/northwind_sales-20261120T050000Z',
    )
    expect(mail?.html).toContain('Waiting for it.')
    expect(mail?.headers.get('auto-submitted')).toBe('auto-generated')
  })

  it('keeps its Message-ID when it is sent again, and another alert has another', async () => {
    const { server, sender } = await serverAndSender({})
    await sender.send(ENVELOPE, MESSAGE)
    await sender.send({ ...ENVELOPE, messageId: messageIdOf('northwind_sales/missed', FROM) }, MESSAGE)
    await sender.send({ ...ENVELOPE, messageId: messageIdOf('northwind_sales/recovered', FROM) }, MESSAGE)
    const ids = server.received.map(({ mail }) => mail.messageId)
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).not.toBe(ids[0])
    expect(ids[0]).toMatch(/^<[0-9a-f]{40}@example\.com>$/)
  })

  it('logs in', async () => {
    const { server, sender } = await serverAndSender(LOGIN, { user: 'sluice', password: 'right', tls: 'opportunistic' })
    expect(await sender.send(ENVELOPE, MESSAGE)).toMatchObject({ sent: true })
    expect(server.received).toMatchObject([{ user: 'sluice', secure: true }])
  })

  it('is not lost for a login that is refused, and the reason holds no password', async () => {
    const { sender } = await serverAndSender(LOGIN, { user: 'sluice', password: 'hunter22', tls: 'opportunistic' })
    const result = await sender.send(ENVELOPE, MESSAGE)
    expect(result).toMatchObject({ sent: false, permanent: false })
    expect(JSON.stringify(result)).not.toContain('hunter22')
  })

  it('goes over TLS only to a certificate that can be verified when TLS is required', async () => {
    const { server, sender } = await serverAndSender({}, { tls: 'required' })
    expect(await sender.send(ENVELOPE, MESSAGE)).toMatchObject({ sent: false, permanent: false })
    expect(server.received).toEqual([])
    const trusted = await serverAndSender(
      { key: tls('server.key'), cert: tls('server.pem') },
      { tls: 'required', ca: tls('ca.pem') },
    )
    expect(await trusted.sender.send(ENVELOPE, MESSAGE)).toEqual({ sent: true, refused: [] })
    expect(trusted.server.received).toMatchObject([{ secure: true }])
  })

  it('is not sent in the clear when TLS is required and not offered', async () => {
    const { server, sender } = await serverAndSender({ disabledCommands: ['AUTH', 'STARTTLS'] }, { tls: 'required' })
    expect(await sender.send(ENVELOPE, MESSAGE)).toMatchObject({ sent: false })
    expect(server.received).toEqual([])
  })

  it('is refused for good when the server says so, for now when it says that', async () => {
    const answer = (responseCode: number): SMTPServerOptions => ({
      onRcptTo: (_address, _session, callback) => callback(Object.assign(new Error('not now'), { responseCode })),
    })
    const never = await serverAndSender(answer(550))
    expect(await never.sender.send(ENVELOPE, MESSAGE)).toMatchObject({ sent: false, permanent: true })
    const later = await serverAndSender(answer(451))
    expect(await later.sender.send(ENVELOPE, MESSAGE)).toMatchObject({ sent: false, permanent: false })
  })

  it('names the recipients that the server refused while it took the others', async () => {
    const { server, sender } = await serverAndSender({
      onRcptTo: ({ address }, _session, callback) =>
        address.startsWith('gone@') ? callback(new Error('no such mailbox')) : callback(),
    })
    const result = await sender.send({ ...ENVELOPE, to: ['team@example.com', 'gone@example.com'] }, MESSAGE)
    expect(result).toEqual({ sent: true, refused: ['gone@example.com'] })
    expect(server.received[0]?.to).toEqual(['team@example.com'])
  })

  it('may be tried again when nobody listens', async () => {
    const server = await startMailServer()
    await server.stop()
    expect(await senderTo(server.port).send(ENVELOPE, MESSAGE)).toMatchObject({ sent: false, permanent: false })
  })

  it('takes no header, no recipient and no mark-up from names, logs and errors', async () => {
    const evil = 'x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>"\'\u202e'
    const { server, sender } = await serverAndSender({})
    const content: AlertContent = {
      ...CONTENT,
      title: evil,
      dagId: evil,
      taskId: evil,
      summary: evil,
      detail: evil,
      facts: [[evil, evil]],
      links: [{ label: evil, path: `/dags/${evil}` }],
      log: [evil],
      blocked: [evil],
      footer: evil,
    }
    await sender.send(ENVELOPE, renderMessage(content, 'https://sluice.example.com'))
    const [{ mail, to, raw } = { mail: null, to: [], raw: '' }] = server.received
    expect(to).toEqual(['team@example.com'])
    expect(mail?.bcc).toBeUndefined()
    expect(raw).not.toMatch(/^Bcc:/im)
    expect(mail?.html).not.toContain('<script')
    expect(mail?.html).not.toContain('\u202e')
    expect(mail?.html).toContain('&lt;script&gt;')
  })
})
