import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { PostgresDatabase } from '../../../scheduler/store/postgres.js'

let server: Server
afterEach(() => server.close())

/** https://www.postgresql.org/docs/current/protocol-message-formats.html */
function message(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const int32 = (value: number) => Buffer.concat([int16(value >>> 16), int16(value & 65_535)])
const TEXT = 25
const INT4 = 23
const READY = message('Z', Buffer.from('I'))

function field(name: string, type: number): Buffer {
  return Buffer.concat([
    Buffer.from(`${name}\0`),
    int32(0),
    int16(0),
    int32(type),
    int16(-1 & 65_535),
    int32(0),
    int16(0),
  ])
}

function value(text: string): Buffer {
  return Buffer.concat([int32(text.length), Buffer.from(text)])
}

/** The answer to a setting, which comes as a simple query. */
const SET = Buffer.concat([message('C', 'SET'), READY])
const WELCOME = Buffer.concat([message('R', int32(0)), READY])

function fatal(code: string, said: string): Buffer {
  return message('E', 'SFATAL', 'VFATAL', `C${code}`, `M${said}`, '')
}

/** The answer to a look for the version. */
function versionAnswer(number: number, name: string): Buffer {
  return Buffer.concat([
    ...[message('1'), message('2'), message('T', int16(2), field('number', INT4), field('name', TEXT))],
    ...[message('D', int16(2), value(String(number)), value(name)), message('C', 'SELECT 1'), READY],
  ])
}

/** A server that answers whatever it is asked with its version. */
function serverOf(number: number, name: string): Promise<string> {
  return listening([WELCOME], versionAnswer(number, name))
}

/** @param welcomes what it says to each client, whoever it is, and to those after the last */
async function listening(welcomes: Buffer[], answer: Buffer): Promise<string> {
  let clients = 0
  server = createServer((socket) => {
    const welcome = welcomes[Math.min(clients++, welcomes.length - 1)] ?? WELCOME
    let welcomed = false
    socket.on('data', (chunk) => {
      if (!welcomed) socket.write(welcome)
      else if (chunk.subarray(0, 1).toString() === 'Q') socket.write(SET)
      // the client has asked once it says Sync
      else if (chunk.subarray(-5).equals(message('S'))) socket.write(answer)
      welcomed = true
    })
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `postgres://sluice@127.0.0.1:${(server.address() as AddressInfo).port}/sluice`
}

it('refuses a server older than PostgreSQL 15, and says which version it found', async () => {
  const url = await serverOf(140_019, '14.19 (Debian 14.19-1)')
  await expect(PostgresDatabase.open(url)).rejects.toMatchObject({
    code: 'STORE_TOO_OLD',
    message: `The store at ${new URL(url).host} is PostgreSQL 14.19 (Debian 14.19-1); expected version 15 or newer.`,
    retryable: false,
  })
})

it.each([
  ['28P01', 'password authentication failed for user "sluice"'],
  ['3D000', 'database "sluice" does not exist'],
  ['42501', 'permission denied for database "sluice"'],
])('says what a server said that lets nobody in: %s', async (code, said) => {
  const url = await listening([fatal(code, said)], Buffer.alloc(0))
  await expect(PostgresDatabase.open(url)).rejects.toMatchObject({
    code: 'CONNECTION_DENIED',
    message: `The store at ${new URL(url).host} cannot be entered: ${said}.`,
  })
})

it('takes a server that is still starting for one that does not answer yet', async () => {
  const url = await listening([fatal('57P03', 'the database system is starting up')], Buffer.alloc(0))
  await expect(PostgresDatabase.open(url)).rejects.toMatchObject({ code: 'UNREACHABLE' })
})

it('survives a server that ends a connection in the breath in which it opens it', async () => {
  const ended = Buffer.concat([WELCOME, fatal('57P01', 'terminating connection due to administrator command')])
  const database = await PostgresDatabase.open(await listening([WELCOME, ended], versionAnswer(150_000, '15.0')))
  // the first connection is taken, so that each of these asks for one of its own
  const session = await database.session()
  const failed = { code: 'STORE_FAILED' }
  await expect(database.transaction([{ sql: 'select 1', params: [] }])).rejects.toMatchObject(failed)
  await expect(database.session()).rejects.toMatchObject(failed)
  session.release()
})

it('takes PostgreSQL 15', async () => {
  const database = await PostgresDatabase.open(await serverOf(150_000, '15.0'))
  await database.close()
})
