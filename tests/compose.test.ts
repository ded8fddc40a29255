import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { declare } from '../cli/commands/worker.js'
import { parseDuration } from '../duration.js'
import { PACKAGE_ROOT } from '../package-root.js'
import { sourceText } from './source-files.js'

interface Service {
  image?: string
  build?: unknown
  pull_policy?: string
  profiles?: string[]
  command?: string[]
  ports?: string[]
  volumes?: string[]
  tmpfs?: string[]
  stop_grace_period?: string
  environment?: Record<string, string>
  healthcheck?: unknown
  logging?: { driver: string; options: Record<string, string> }
  restart?: string
  deploy?: { resources?: { limits?: { cpus?: string; memory?: string } } }
  depends_on?: Record<string, { condition: string }>
}

const text = sourceText('compose.yaml')
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  secrets: Record<string, { environment: string }>
}
const services = Object.entries(compose.services)
/** Those that run once and end. */
const ONE_SHOTS = new Set(['migrate', 'minio-setup'])

describe('compose.yaml', () => {
  let folder: string
  let written: Map<string, string>

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-compose-'))
    mkdirSync(join(folder, 'docker'))
    copyFileSync(join(PACKAGE_ROOT, 'docker/generate-env'), join(folder, 'docker/generate-env'))
    execFileSync(join(folder, 'docker/generate-env'), { stdio: 'ignore' })
    const lines = readFileSync(join(folder, '.env'), 'utf8').split('\n')
    written = new Map(lines.filter((line) => /^[A-Z]/.test(line)).map((line) => splitAt(line, line.indexOf('='))))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('gets every variable from the generated .env or has a default for it that is no secret', () => {
    const used = [...text.matchAll(/(?<!\$)\$\{([A-Z0-9_]+)(:[-?][^}]*)?\}/g)]
    expect(used.length).toBeGreaterThan(20)
    for (const [, name = '', otherwise = ''] of used) {
      if (written.has(name)) expect(otherwise, name).toBe(':?run docker/generate-env first')
      else expect(otherwise, name).toMatch(/^:-(\d+|\.\/.+)$/)
    }
    const names = new Set([
      ...used.map(([, name]) => name),
      ...Object.values(compose.secrets).map((s) => s.environment),
    ])
    expect([...written.keys()].filter((name) => !names.has(name))).toEqual([])
  })

  it('has secrets of its own in each .env, readable by their owner only, and keeps one that is there', () => {
    const secrets = [...written.values()]
    expect(new Set(secrets).size).toBe(secrets.length)
    for (const [name, value] of written) if (/PASSWORD|SECRET|TOKEN/.test(name)) expect(value).toMatch(/^[0-9a-f]{48}$/)
    expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600)
    const before = readFileSync(join(folder, '.env'), 'utf8')
    expect(() => execFileSync(join(folder, 'docker/generate-env'), { stdio: 'ignore' })).toThrow()
    expect(readFileSync(join(folder, '.env'), 'utf8')).toBe(before)
  })

  it('mounts files that exist and volumes that are declared', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const mount of volumes) {
        // a path alone is a volume without a name
        if (mount.startsWith('/')) continue
        const source = mount.replace(/^\$\{[A-Z_]+:-([^}]+)\}/, '$1').split(':')[0] ?? ''
        const known = source.startsWith('./')
          ? existsSync(join(PACKAGE_ROOT, source))
          : Object.hasOwn(compose.volumes, source)
        expect(known, `${name}: ${mount}`).toBe(true)
      }
    }
  })

  it('publishes nothing beyond loopback', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? [])
    expect(ports.length).toBeGreaterThan(3)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/)
  })

  it.each(services)('%s has limits, rotated logs, a profile, a pinned image and a health check', (name, service) => {
    expect(service.deploy?.resources?.limits).toEqual({ cpus: expect.any(String), memory: expect.any(String) })
    expect(service.logging).toEqual({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } })
    expect(service.profiles).toHaveLength(1)
    expect(service.image).toMatch(/:(?!latest)[\w.-]+$/)
    if (ONE_SHOTS.has(name)) expect(service.restart ?? 'no').toBe('no')
    else expect(service.healthcheck).toBeDefined()
  })

  it('builds each image in one service, and never pulls it for the others', () => {
    const ours = services.filter(([, { image = '' }]) => image.endsWith(':local'))
    expect(ours.length).toBeGreaterThan(4)
    for (const image of new Set(ours.map(([, service]) => service.image))) {
      const users = ours.filter(([, service]) => service.image === image)
      expect(users.filter(([, { build }]) => build !== undefined)).toHaveLength(1)
      for (const [name, { build, pull_policy }] of users) {
        if (build === undefined) expect(pull_policy, name).toBe('never')
      }
    }
  })

  it('starts each service after what it needs is healthy', () => {
    for (const [name, { depends_on: needs = {} }] of services) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        const expected = ONE_SHOTS.has(needed) ? 'service_completed_successfully' : 'service_healthy'
        expect(condition, `${name} needs ${needed}`).toBe(expected)
        expect(compose.services[needed]?.profiles?.[0]).toMatch(name === 'grafana' ? /observe/ : /core/)
      }
    }
  })

  it('gives each file it mounts the variables which that file reads', () => {
    const given = (service: string) => new Set(Object.keys(compose.services[service]?.environment ?? {}))
    const readBy: [service: string, file: string, pattern: RegExp][] = [
      // a connection's secrets are resolved where it is used: Spark's where applications are submitted
      ['scheduler', 'dags/cluster/sluice.yaml', /\$\{env:(?!SPARK_)([A-Z0-9_]+)\}/g],
      ['spark-worker', 'dags/cluster/sluice.yaml', /\$\{env:([A-Z0-9_]+)\}/g],
      ['minio-setup', 'docker/minio/setup.sh', /\$([A-Z][A-Z0-9_]+)/g],
      ['postgres', 'docker/postgres/databases.sh', /\$([A-Z][A-Z0-9_]+)/g],
      ...['iceberg', 'delta', 'postgres'].map((catalog): [string, string, RegExp] => {
        return ['trino', `trino/catalog/${catalog}.properties`, /\$\{ENV:([A-Z0-9_]+)\}/g]
      }),
    ]
    for (const [service, file, pattern] of readBy) {
      const names = [...sourceText(file).matchAll(pattern)].map((match) => match[1])
      expect(names.length, file).toBeGreaterThan(0)
      expect(
        names.filter((name) => !given(service).has(name ?? '')),
        file,
      ).toEqual([])
    }
  })

  it('lets Spark write where its connection says: in a volume of its own, which the image gives to the user', () => {
    const { connections } = parse(sourceText('dags/cluster/sluice.yaml')) as {
      connections: { spark: { conf: Record<string, string> } }
    }
    const { 'spark.jars.ivy': packages, 'spark.local.dir': spill } = connections.spark.conf
    expect(compose.services['spark-worker']?.volumes).toContain('spark-cache:/var/cache/spark')
    const made = /install -d -o node -g node (.*\/var\/cache\/spark.*)$/m
      .exec(sourceText('Dockerfile'))?.[1]
      ?.split(' ')
    expect(made).toEqual(expect.arrayContaining([packages, spill]))
  })

  it('keeps what tasks of workers put into files on disk, in volumes that the image gives to the user', () => {
    const workers = services.filter(([, { command }]) => command?.[0] === 'worker')
    expect(workers.map(([name]) => name)).toEqual(['worker', 'spark-worker'])
    for (const [name, { volumes = [], tmpfs = [], environment }] of workers) {
      const places = ['/project/.sluice', environment?.TMPDIR]
      expect(places[1], name).toBe('/var/tmp/sluice')
      // without a name, so that two replicas never share them
      expect(volumes, name).toEqual(expect.arrayContaining(places))
      expect(
        tmpfs.map((mount) => mount.split(':')[0]),
        name,
      ).toEqual(['/tmp'])
      const made = /install -d -o node -g node -m 0700 (.*)$/m.exec(sourceText('Dockerfile'))?.[1]?.split(' ')
      expect(made).toEqual(expect.arrayContaining(places))
    }
  })

  it('lets workers drain before they are killed', () => {
    const worker = new Command()
    declare(worker)
    const { drain } = worker.opts<{ drain: number }>()
    expect(drain).toBeGreaterThan(0)
    const graces = services.flatMap(([, { command, stop_grace_period }]) =>
      command?.[0] === 'worker' ? [parseDuration(stop_grace_period ?? '')] : [],
    )
    expect(graces).toHaveLength(2)
    for (const grace of graces) expect(grace).toBeGreaterThan(drain)
  })

  it('has policies that name buckets which are made, and no action on all of them', () => {
    const made = /for bucket in ([^;]+);/.exec(sourceText('docker/minio/setup.sh'))?.[1]?.split(' ') ?? []
    for (const user of ['sluice', 'trino', 'spark']) {
      const policy = JSON.parse(sourceText(`docker/minio/${user}-policy.json`)) as {
        Statement: { Action: string[]; Resource: string[] }[]
      }
      for (const { Action: actions, Resource: resources } of policy.Statement) {
        for (const action of actions) expect(action).toMatch(/^s3:[A-Z][A-Za-z]+$/)
        for (const resource of resources) {
          const bucket = /^arn:aws:s3:::([a-z-]+)(\/\*)?$/.exec(resource)?.[1]
          expect(made, resource).toContain(bucket)
        }
      }
    }
  })
})

describe('the Grafana dashboard', () => {
  it('asks for metrics that Sluice has, and for all of them', () => {
    const dashboard = JSON.parse(sourceText('docs/grafana/sluice.json')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    const asked = expressions.flatMap((expression) => expression.match(/\bsluice_[a-z_]+/g) ?? [])
    const source = sourceText('webserver/metrics.ts')
    const has = [...source.matchAll(/'(sluice_[a-z_]+)'/g)].map(([, name]) => name)
    expect(has.length).toBeGreaterThan(8)
    expect([...new Set(asked)].sort()).toEqual(has.sort())
  })
})

describe('Dockerfile', () => {
  const dockerfile = sourceText('Dockerfile')

  it('copies what is read at run time, and runs as nobody special', () => {
    for (const path of ['scheduler/store/migrations', 'webserver/views', 'webserver/public', 'package.json']) {
      expect(dockerfile).toContain(`/app/${path}`)
    }
    const stages = dockerfile.split(/^FROM /m).slice(2)
    expect(stages).toHaveLength(2)
    for (const stage of stages) expect([...stage.matchAll(/^USER (\S+)$/gm)].at(-1)?.[1]).toBe('node')
  })

  it('is given every source folder that is compiled', () => {
    const given = sourceText('.dockerignore').split('\n')
    const { include } = JSON.parse(sourceText('tsconfig.json')) as { include: string[] }
    expect(include.length).toBeGreaterThan(5)
    for (const pattern of include) expect(given).toContain(`!${pattern}`)
  })
})

function splitAt(line: string, at: number): [string, string] {
  return [line.slice(0, at), line.slice(at + 1)]
}
