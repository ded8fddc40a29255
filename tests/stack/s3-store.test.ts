import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ObjectStore } from '../../lakehouse/objects/object-store.js'
import { openObjectStore } from '../../lakehouse/objects/open.js'
import { objectStoreSuite } from '../lakehouse/objects/suite.js'
import { FaultyProxy } from './faulty-proxy.js'
import { S3Place } from './s3-place.js'
import { TlsFront } from './tls-front.js'

objectStoreSuite('a bucket', async () => {
  const place = new S3Place()
  const opened: ObjectStore[] = []
  const again = () => {
    const store = place.open()
    opened.push(store)
    return store
  }
  return {
    store: again(),
    again,
    remove: async () => {
      for (const store of opened) await store.close()
      await place.remove()
    },
  }
})

describe('a bucket', () => {
  let place: S3Place
  beforeEach(() => {
    place = new S3Place()
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await place.remove()
  })

  it.each([
    [
      'a bucket that is not there',
      { location: 's3://sluice-no-such-bucket/x' },
      'BUCKET_UNKNOWN',
      'no bucket sluice-no',
    ],
    ['a wrong key', { connection: { secret_key: 'wrong-secret' } }, 'OBJECT_STORE_DENIED', 'refuses the keys'],
    ['an unknown user', { connection: { access_key: 'nobody' } }, 'OBJECT_STORE_DENIED', 'refuses the keys'],
    ['nobody listening', { connection: { endpoint: 'http://127.0.0.1:9' } }, 'UNREACHABLE', 'ECONNREFUSED'],
    ['no such host', { connection: { endpoint: 'http://nowhere.invalid' } }, 'UNREACHABLE', 'nowhere.invalid'],
    ['a connection of another type', { connection: { type: 'http' as never } }, 'CONFIG_INVALID', 'type http'],
    ['a ca that is not there', { connection: { ca: 'no.pem' } }, 'CONFIG_INVALID', 'no.pem cannot be read'],
  ])('says what is wrong with %s, by the name of the connection', async (_what, set, code, said) => {
    const store = place.open(set)
    const failure = await store.list('').catch((error: unknown) => error)
    expect(failure).toMatchObject({ code, message: expect.stringContaining(said) })
    expect((failure as Error).message.toLowerCase()).toContain('connection minio')
    expect(JSON.stringify(failure)).not.toContain('wrong-secret')
    await store.close()
  })

  it('knows its own object again when the answer was lost', async () => {
    const lost = new Set<string>()
    const proxy = await FaultyProxy.start(process.env.S3_ENDPOINT ?? '', (request) => {
      const [key] = /^PUT \S+\/once-\d+/.exec(request) ?? []
      if (key === undefined || lost.has(key)) return 'pass'
      lost.add(key)
      return 'lose_answer'
    })
    const store = place.open({ connection: { endpoint: proxy.url } })
    for (let n = 0; n < 20; n++) {
      expect(await store.putIfAbsent(`once-${n}`, Buffer.from('ours'))).toBe('created')
      expect(await store.putIfAbsent(`once-${n}`, Buffer.from('ours'))).toBe('exists')
    }
    expect(proxy.met.lose_answer).toBe(20)
    await store.close()
    await proxy.close()
  })

  it('takes region and keys from the environment when the connection has none', async () => {
    const regions = new Set<string>()
    const proxy = await FaultyProxy.start(process.env.S3_ENDPOINT ?? '', (request) => {
      const [, region = ''] = /Credential=[^/]+\/\d+\/([^/]+)\/s3\//.exec(request) ?? []
      regions.add(region)
      return 'pass'
    })
    const config = { type: 's3' as const, endpoint: proxy.url }
    const open = () => {
      const around = { project: place.project, cache: place.cache, place: 'catalogs.lake.location' }
      return openObjectStore(place.location, { name: 'minio', config }, around)
    }
    const stack = S3Place.stack()
    vi.stubEnv('AWS_ACCESS_KEY_ID', stack.access_key)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', stack.secret_key)
    vi.stubEnv('AWS_REGION', stack.region)
    const store = open()
    expect(await store.putIfAbsent('a', Buffer.from('by the environment'))).toBe('created')
    expect((await place.open().read('a'))?.toString()).toBe('by the environment')
    expect([...regions]).toEqual([stack.region])
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong-secret')
    vi.stubEnv('AWS_REGION', 'eu-west-3')
    const refused = open()
    await expect(refused.read('a')).rejects.toMatchObject({ code: expect.stringMatching(/DENIED|CONFIG_INVALID/) })
    expect([...regions]).toEqual([stack.region, 'eu-west-3'])
    for (const one of [store, refused]) await one.close()
    await proxy.close()
  })

  it('goes on reading where the connection broke', async () => {
    const proxy = await FaultyProxy.start(process.env.S3_ENDPOINT ?? '', (request) => {
      return /^GET \S+\/large/.test(request) && proxy.met.tear_answer < 3 ? 'tear_answer' : 'pass'
    })
    const content = randomBytes(6 * 1024 * 1024)
    await place.open().put('large', content)
    const store = place.open({ connection: { endpoint: proxy.url } })
    await store.fetch([{ key: 'large', size: content.length }])
    expect(readFileSync(store.localPath('large')).equals(content)).toBe(true)
    expect(proxy.met.tear_answer).toBe(3)
    expect((await store.read('large'))?.equals(content)).toBe(true)
    await store.close()
    await proxy.close()
  })

  it.each([
    ['parts', /partNumber=/],
    ['the completion', /^POST \S+uploadId=/],
    ['the beginning', /^POST \S+uploads/],
  ])('takes a large file whole although answers to %s are lost', async (_what, pattern) => {
    const proxy = await FaultyProxy.start(process.env.S3_ENDPOINT ?? '', (request) => {
      return pattern.test(request.split('\r\n')[0] ?? '') && proxy.met.lose_answer < 2 ? 'lose_answer' : 'pass'
    })
    const content = randomBytes(20 * 1024 * 1024)
    const store = place.open({ connection: { endpoint: proxy.url } })
    await store.prepare('t')
    writeFileSync(store.localPath('t/large'), content)
    await store.persist(['t/large'])
    expect(proxy.met.lose_answer).toBe(2)
    expect((await place.open().read('t/large'))?.equals(content)).toBe(true)
    await store.close()
    await proxy.close()
  })

  it('uploads nothing more once the task is cancelled', async () => {
    const store = place.open()
    await store.prepare('t')
    writeFileSync(store.localPath('t/large'), Buffer.alloc(40 * 1024 * 1024))
    const controller = new AbortController()
    const persisting = store.persist(['t/large'], controller.signal)
    setImmediate(() => controller.abort(new Error('cancelled')))
    await expect(persisting).rejects.toThrow('cancelled')
    expect(await store.stat('t/large')).toBeNull()
    await store.close()
  })

  it('over TLS is trusted by the authority that `ca` names, and by no other', async () => {
    const secure = await TlsFront.start(process.env.S3_ENDPOINT ?? '', place.project)
    const trusting = place.open({ connection: { endpoint: secure.url, ca: secure.ca } })
    await trusting.put('a', Buffer.from('over TLS'))
    expect((await place.open().read('a'))?.toString()).toBe('over TLS')
    const doubting = place.open({ connection: { endpoint: secure.url } })
    await expect(doubting.read('a')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/The certificate of https:.* \(connection minio\) is not trusted/),
      hint: expect.stringContaining('`ca`'),
    })
    for (const store of [trusting, doubting]) await store.close()
    await secure.close()
  })

  it('that is missing is told by a write, too', async () => {
    const store = place.open({ location: 's3://sluice-no-such-bucket/x' })
    await expect(store.putIfAbsent('a', Buffer.from('a'))).rejects.toMatchObject({ code: 'BUCKET_UNKNOWN' })
    await store.close()
  })

  it('keeps nothing on this machine but its cache', async () => {
    const store = place.open()
    await store.put('data', Buffer.from('0123456789'))
    await store.fetch([{ key: 'data', size: 10 }])
    expect(readdirSync(join(place.cache.folder, 'work'))).toHaveLength(1)
    await store.close()
    expect(readdirSync(join(place.cache.folder, 'work'))).toEqual([])
    expect(readdirSync(join(place.cache.folder, 'incoming'))).toEqual([])
  })
})
