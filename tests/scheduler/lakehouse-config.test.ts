import { expect, it } from 'vitest'
import { lakehouseConfig } from '../../scheduler/lakehouse-config.js'

const secret = (name: string) => ['${', `env:${name}}`].join('')
const connection = (name: string) => ({ type: 'postgres', password: secret(name) })
const CONFIG = {
  project: '/project',
  catalogs: {
    lake: { format: 'iceberg' as const, location: 's3://a/b', connection: 'files', jdbc: { connection: 'catalog' } },
    plain: { format: 'delta' as const, location: './lake' },
  },
  connections: {
    files: connection('FILES'),
    catalog: connection('CATALOG'),
    engine: connection('ENGINE'),
    other: connection('OTHER'),
  },
}

it('resolves the secrets of the connections that a lakehouse needs, and of no other', () => {
  const found: string[] = []
  const env = { FILES: 'f1', CATALOG: 'c1', ENGINE: 'e1' }
  const { connections } = lakehouseConfig(CONFIG, 'engine', { env, folder: '/project' }, (one) => found.push(one))
  expect(Object.fromEntries(Object.entries(connections).map(([name, one]) => [name, one.password]))).toEqual({
    files: 'f1',
    catalog: 'c1',
    engine: 'e1',
    other: secret('OTHER'),
  })
  expect(found.sort()).toEqual(['c1', 'e1', 'f1'])
  expect(lakehouseConfig(CONFIG, null, { env, folder: '/project' }).connections.engine?.password).toBe(secret('ENGINE'))
})
