import type { AddressInfo } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export interface ReceivedMail {
  mail: ParsedMail
  /** recipients of the envelope */
  to: string[]
  user: string | null
  secure: boolean
  raw: string
}

/** A real SMTP server, which parses what arrives. @param at its port, 0 for any free one */
export async function startMailServer(
  options: SMTPServerOptions = {},
  at = 0,
): Promise<{ port: number; received: ReceivedMail[]; stop: () => Promise<void> }> {
  const received: ReceivedMail[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH'],
    closeTimeout: 100,
    ...options,
    async onData(stream, session, callback) {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      const raw = Buffer.concat(chunks)
      received.push({
        mail: await simpleParser(raw),
        to: session.envelope.rcptTo.map(({ address }) => address),
        user: session.user ?? null,
        secure: session.secure,
        raw: raw.toString(),
      })
      callback()
    },
  })
  // A client that turns away from a certificate is an error of the connection here, and what the test asks for.
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return { port, received, stop: () => new Promise((resolve) => server.close(resolve)) }
}
