import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import { loadConfig } from '../../scheduler/load-config.js'

/** As it is written; resolved by whoever opens the connection. */
const SECRET = ['$', '{env:API_TOKEN}'].join('')

let project: string

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'sluice-config-'))
})

afterEach(async () => {
  await rm(project, { recursive: true, force: true })
})

const configOf = async (text: string | Buffer) => {
  await writeFile(join(project, 'sluice.yaml'), text)
  return loadConfig(project)
}

const messageOf = async (text: string | Buffer): Promise<string> => {
  const error: unknown = await configOf(text).then(
    () => new Error('it was accepted'),
    (thrown) => thrown,
  )
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 })
  return (error as Error).message
}

describe('sluice.yaml', () => {
  it('has a default for every key, so that it may be absent, empty or a comment', async () => {
    const defaults = {
      project,
      catalogs: { lake: { format: 'delta', location: './data/lake' } },
      connections: { lakehouse: { type: 'duckdb', memory_limit: '1GB' } },
      store: join(project, 'data/store'),
      queue: 'local',
      dags: join(project, 'dags'),
      logs: join(project, 'data/logs'),
      pools: { default: 128 },
      vars: {},
      baseUrl: null,
    }
    expect(loadConfig(project)).toEqual(defaults)
    for (const text of ['', '\n\n', '# nothing yet', '# nothing\n\n  # yet\n'])
      expect(await configOf(text)).toEqual(defaults)
  })

  it('merges maps with the defaults key by key', async () => {
    const config = await configOf(
      [
        'catalogs: { lake: { location: /srv/lake }, old: { format: delta, location: ./old } }',
        'connections:',
        '  lakehouse: { memory_limit: 4GB }',
        `  api: { type: http, base_url: "https://api.example.com", token: "${SECRET}" }`,
        'pools: { spark: 4 }',
        'vars: { region: eu, limit: 3 }',
        'store: postgres://sluice@db/sluice',
        'dags: ../dags',
        'alerts: { base_url: "https://sluice.example.com/" }',
      ].join('\n'),
    )
    expect(Object.keys(config.catalogs)).toEqual(['lake', 'old'])
    expect(config).toMatchObject({
      catalogs: { lake: { format: 'delta', location: '/srv/lake' } },
      connections: { lakehouse: { type: 'duckdb', memory_limit: '4GB' }, api: { token: SECRET } },
      pools: { default: 128, spark: 4 },
      vars: { region: 'eu', limit: '3' },
      store: 'postgres://sluice@db/sluice',
      dags: join(project, '../dags'),
      baseUrl: 'https://sluice.example.com',
    })
  })

  it('does not mix the default connection with one of another type', async () => {
    const { connections } = await configOf('connections: { lakehouse: { type: trino, url: "http://trino:8080" } }')
    expect(connections.lakehouse).toEqual({ type: 'trino', url: 'http://trino:8080' })
  })

  it('tells every mistake at once, each at its place', async () => {
    const message = await messageOf(
      [
        'catalog: {}',
        'catalogs: { lake: { format: iceberg, locatoin: x } }',
        'connections: { api: { base_url: x }, other: 3 }',
        'pools: { spark: many, negative: -1 }',
        'queue: redis://redis',
        'dags: [a]',
        'vars: { list: [1] }',
        'alerts: { base_url: here, email: {} }',
      ].join('\n'),
    )
    expect(message.split('\n').map((line) => line.replace(/ \(.*/, ''))).toEqual([
      'sluice.yaml:1:1: unknown key `catalog`',
      'sluice.yaml:2:29: the format must be `delta`',
      'sluice.yaml:2:38: unknown key `locatoin`',
      'sluice.yaml:3:21: connection `api` needs a type',
      'sluice.yaml:3:45: `other` must be a map',
      'sluice.yaml:4:17: pool `spark` must be a whole number of tasks',
      'sluice.yaml:4:33: pool `negative` must be a whole number of tasks',
      'sluice.yaml:5:8: the queue must be `local`, not `redis://redis`',
      'sluice.yaml:6:7: `dags` must be text',
      'sluice.yaml:7:15: `list` must be text',
      'sluice.yaml:8:21: `here` is not an address',
      'sluice.yaml:8:27: unknown key `email`',
    ])
    expect(message).toContain('did you mean `catalogs`?')
  })

  it.each([
    ['a: [', /^sluice\.yaml:1:/],
    ['- a\n- b', /must be a map/],
    [Buffer.from([0xff, 0xfe, 0x00]), /UTF/],
    ['dags: ./a\ndags: ./b', /dags/],
  ])('refuses %j', async (text, message) => {
    expect(await messageOf(text)).toMatch(message)
  })

  it('must lie in a folder that is there', () => {
    expect(() => loadConfig(join(project, 'nowhere'))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('is good in this repository', () => {
    expect(loadConfig(PACKAGE_ROOT).dags).toBe(join(PACKAGE_ROOT, 'dags'))
  })
})
