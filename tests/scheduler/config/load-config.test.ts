import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SluiceError } from '../../../errors.js'
import type { Config } from '../../../scheduler/config.js'
import { projectRecipients, webhookNames } from '../../../scheduler/config.js'
import { loadConfig } from '../../../scheduler/load-config.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function load(text: string | Uint8Array): Config {
  writeFileSync(join(folder, 'sluice.yaml'), text)
  return loadConfig(folder)
}

/** The lines of the error's message. */
function problems(text: string | Uint8Array): string[] {
  try {
    load(text)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'CONFIG_INVALID') return error.message.split('\n')
    throw error
  }
  return []
}

describe('sluice.yaml', () => {
  it.each([
    ['missing', null],
    ['empty', ''],
    ['nothing but comments', '# a comment\n\n  # another\n'],
    ['with a byte order mark', '\ufeff# a comment'],
  ])('may be %s: every key has its default', (_what, text) => {
    const config = text === null ? loadConfig(folder) : load(text)
    expect(config).toEqual({
      project: folder,
      catalogs: { lake: { format: 'delta', location: './data/lake' } },
      connections: { lakehouse: { type: 'duckdb', memory_limit: '1GB' } },
      store: join(folder, 'data/store'),
      queue: 'local',
      dags: join(folder, 'dags'),
      logs: { location: join(folder, 'data/logs'), connection: null },
      cache: { folder: join(folder, 'data/cache'), maxBytes: 10e9 },
      pools: { default: 128 },
      vars: {},
      calendars: {},
      baseUrl: null,
      alerts: { email: null, webhook: null, digestMs: 5_000, earlyWarning: 'p90' },
    })
  })

  it('merges maps key by key', () => {
    const config = load(`
connections: { lakehouse: { memory_limit: 4GB }, crm: { type: http, url: "http://crm:8000" } }
catalogs: { archive: { location: /mnt/archive } }
pools: { spark: 4 }
vars: { region: eu, year: 2026 }
alerts: { base_url: "https://sluice.example.com/" }
store: ../elsewhere
`)
    expect(config.connections.lakehouse).toEqual({ type: 'duckdb', memory_limit: '4GB' })
    expect(config.connections.crm).toEqual({ type: 'http', url: 'http://crm:8000' })
    expect(config.catalogs).toEqual({
      lake: { format: 'delta', location: './data/lake' },
      archive: { format: 'delta', location: '/mnt/archive' },
    })
    expect(config.pools).toEqual({ default: 128, spark: 4 })
    expect(config.vars).toEqual({ region: 'eu', year: '2026' })
    expect(config.baseUrl).toBe('https://sluice.example.com')
    expect(config.store).toBe(join(folder, '../elsewhere'))
  })

  it('keeps secrets in connections unresolved', () => {
    const config = load('connections: { crm: { type: http, url: "http://crm", headers: { A: "${' + 'env:TOKEN}" } } }')
    expect(config.connections.crm).toMatchObject({ headers: { A: ['${', 'env:TOKEN}'].join('') } })
  })

  it('takes task logs in a bucket', () => {
    const bucket = 'logs: { location: "s3://lake/logs", connection: minio }\nconnections: { minio: { type: s3 } }'
    expect(load(bucket).logs).toEqual({ location: 's3://lake/logs', connection: 'minio' })
    expect(load('logs: { location: ./logs }').logs).toEqual({ location: join(folder, 'logs'), connection: null })
    expect(problems('logs: { location: "s3://lake/logs" }')[0]).toContain('`logs` needs `connection`')
  })

  it('takes catalogs in a bucket', () => {
    const config = load(`
catalogs: { lake: { location: "s3://lake/delta", connection: minio } }
connections: { minio: { type: s3, endpoint: "http://minio:9000", access_key: "a", secret_key: "b" } }
cache: { folder: /var/cache/sluice, size: 1.5GiB }
`)
    expect(config.catalogs.lake).toEqual({ format: 'delta', location: 's3://lake/delta', connection: 'minio' })
    expect(config.cache).toEqual({ folder: '/var/cache/sluice', maxBytes: 1.5 * 1024 ** 3 })
  })

  it('takes a PostgreSQL store by its address', () => {
    expect(load('store: postgres://sluice@db/sluice').store).toBe('postgres://sluice@db/sluice')
  })

  it.each([
    ['an unknown key', 'dags: ./dags\npool: { a: 1 }', '2:1', 'unknown key `pool`', 'did you mean `pools`?'],
    [
      'an unknown key of a connection',
      'connections: { lakehouse: { memory: 1GB } }',
      '1:29',
      'unknown key `memory`',
      'accepted are',
    ],
    [
      'an unknown type',
      'connections: { a: { type: duckdbb } }',
      '1:27',
      'must be one of `s3`, `trino`, `spark`, `duckdb`, `postgres`, `smtp`, `webhook`, `incoming_webhook` or `http`',
      'did you mean `duckdb`?',
    ],
    [
      'a connection of a later version',
      'connections: { a: { type: airbyte } }',
      '1:27',
      'connections of type airbyte are not there yet in this version of Sluice',
      'remove it',
    ],
    ['a connection without a type', 'connections: { a: { url: x } }', '1:16', '`connections.a` needs `type`', ''],
    [
      'a size without its unit',
      'connections: { lakehouse: { memory_limit: 4 } }',
      '1:43',
      'must be a size such as 512MB or 2GB',
      '',
    ],
    ['text for a number', 'pools: { spark: "4" }', '1:17', 'must be a whole number', 'remove the quotes'],
    ['a negative pool', 'pools: { spark: -1 }', '1:17', 'must be at least 0', ''],
    [
      'a duration in no order',
      'alerts: { digest: 5s1m }',
      '1:19',
      '`alerts.digest` is no duration',
      'the greatest first',
    ],
    [
      'a catalog that SQL could not name',
      'catalogs: { My-Lake: { location: x } }',
      '1:13',
      'the name `My-Lake` must be',
      '',
    ],
    [
      'a secret where it would be shown',
      'vars: { a: "${' + 'env:X}" }',
      '1:12',
      'secrets are resolved in `connections` only',
      '',
    ],
    ['a number that would lose digits', 'vars: { version: 1.10 }', '1:18', 'must be', 'quotes'],
    ['a map instead of text', 'store: { a: b }', '1:8', '`store` must be text, not a map', ''],
    [
      'an address instead of a folder',
      'logs: s3://bucket/logs',
      '1:7',
      '`logs` must be a folder, or a map with `location: s3://bucket/prefix`',
      '',
    ],
    ['an address of another cloud', 'catalogs: { lake: { location: "gs://a/b" } }', '1:31', 'a folder or s3://', ''],
    [
      'a bucket without its connection',
      'catalogs: { lake: { location: "s3://lake/x" } }',
      '1:13',
      'needs `connection`',
      '',
    ],
    [
      'a bucket through a connection of another type',
      'catalogs: { lake: { location: "s3://lake/x", connection: lakehouse } }',
      '1:58',
      'must name a connection of type s3',
      '',
    ],
    [
      'a connection that is not there',
      'connections: { minio: { type: s3 } }\ncatalogs: { lake: { location: "s3://lake/x", connection: mino } }',
      '2:58',
      'names the connection `mino`, which does not exist',
      'did you mean `minio`?',
    ],
    ['half of a pair of keys', 'connections: { minio: { type: s3, access_key: a } }', '1:23', 'secret_key', ''],
    ['a cache without a unit', 'cache: { size: 20 }', '1:16', 'must be a size such as', ''],
    ['an unknown store', 'store: mysql://db/x', '1:8', 'must be a folder or a postgres:// address', ''],
    ['a list', '- a', '1:1', 'must hold a map', ''],
    ['a duplicate key', 'dags: a\ndags: b', '2:1', 'dags', ''],
    ['broken YAML', 'pools: { a: 1', '1:', '', ''],
    ['two documents', 'dags: a\n---\ndags: b', '2:1', 'more than one YAML document', ''],
  ])('says where and why it refuses %s', (_what, text, place, message, hint) => {
    const [first = ''] = problems(text)
    expect(first).toContain(`sluice.yaml:${place}`)
    expect(first).toContain(message)
    expect(first).toContain(hint)
  })

  it('takes a mail server and webhooks for alerts', () => {
    const config = load(`
connections: { mail: { type: smtp, host: mail }, chat: { type: webhook, url: "https://chat.example.com/x" } }
alerts: { email: { connection: mail, from: "Sluice <sluice@example.com>", to: [ops@example.com] }, webhook: chat, digest: 1m, early_warning: p75 }
`)
    const email = { connection: 'mail', from: 'Sluice <sluice@example.com>', to: ['ops@example.com'] }
    expect(config.alerts).toEqual({ email, webhook: 'chat', digestMs: 60_000, earlyWarning: 'p75' })
    expect(webhookNames(config)).toEqual(['chat'])
    expect(projectRecipients(config)).toEqual({ email: ['ops@example.com'], webhook: 'chat' })
    expect(projectRecipients(load(''))).toBeNull()
  })

  it.each([
    ['{ email: { connection: mail } }', /needs `from`/],
    ['{ email: { connection: mail, from: a@b.c } }', /`mail`, which does not exist/],
    ['{ email: { connection: lakehouse, from: a@b.c } }', /a connection of type smtp/],
    ['{ email: { connection: mail, from: "x\\nBcc: eve@e.org <a@b.c>" } }', /an address such as sluice@example.com/],
    ['{ email: { connection: mail, from: a@b.c, to: [nobody] } }', /an e-mail address such as/],
    ['{ webhook: lakehouse }', /a connection of type webhook/],
    ['{ digest: 5 }', /a duration with a unit/],
    ['{ early_warning: p100 }', /p50 to p99, or off/],
    ['{ emial: {} }', /did you mean `email`/],
  ])('says what is wrong with alerts: %s', (alerts, message) => {
    expect(problems(`alerts: ${alerts}`).join()).toMatch(message)
  })

  it('takes a Trino as engine, and says what its address must be', () => {
    const trino = (url: string) => `connections: { lakehouse: { type: trino, url: "${url}", user: sluice } }`
    expect(problems(`${trino('http://trino:8080')}\ncatalogs: { lake: { trino: delta } }`)).toEqual([])
    expect(problems(trino('$' + '{env:TRINO_URL}'))).toEqual([])
    expect(problems(trino('trino:8080')).join()).toContain('an http(s) address without a path')
    expect(problems('connections: { lakehouse: { type: trino, user: a } }').join()).toContain('needs `url`')
  })

  it('takes a queue on Redis, and no other address', () => {
    for (const queue of ['local', 'redis://redis:6379/0', 'rediss://user:secret@redis.example.com']) {
      expect(problems(`queue: "${queue}"`)).toEqual([])
    }
    for (const queue of ['amqp://rabbit', 'redis', 'redis://host/db']) {
      expect(problems(`queue: "${queue}"`).join()).toContain('`local` or an address such as redis://host:6379/0')
    }
  })

  it('tells all problems at once, each once', () => {
    const found = problems('pool: 1\nvars: [a]\npools: { x: no }\n')
    expect(found).toHaveLength(3)
    expect(found.map((line) => line.split(':')[1])).toEqual(['1', '2', '3'])
  })

  it('refuses bytes that are no text before they reach a parser', () => {
    expect(problems(Buffer.from([0xff, 0xfe, 0x41, 0x00]))[0]).toContain('UTF-16, not UTF-8')
    expect(problems('dags: a\0b')[0]).toContain('NUL byte')
  })

  it('says so when the file cannot be read', () => {
    mkdirSync(join(folder, 'sluice.yaml'))
    expect(() => loadConfig(folder)).toThrow(/cannot be read \(EISDIR\)/)
  })
})
