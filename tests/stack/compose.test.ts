import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../package-root.js'
import { COMPOSE, goTool } from './go-tool.js'

interface Resolved {
  services: Record<
    string,
    {
      image: string
      ports?: { host_ip?: string; published: string; target: number }[]
      environment?: Record<string, string | null>
      networks: Record<string, unknown>
      deploy: { replicas?: number; resources: { limits: { memory: string } } }
    }
  >
}

/** A copy of what compose reads, so that the generated `.env` lies beside no checkout. */
const folder = mkdtempSync(join(tmpdir(), 'sluice-compose-'))
let tool: string

beforeAll(() => {
  tool = goTool(COMPOSE)
  for (const path of ['compose.yaml', 'Dockerfile', 'docker', 'trino', 'docs/grafana', 'dags/cluster']) {
    cpSync(join(PACKAGE_ROOT, path), join(folder, path), { recursive: true })
  }
}, 900_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function config(...profiles: string[]): Resolved {
  const args = [...profiles.flatMap((profile) => ['--profile', profile]), 'config', '--format', 'json']
  // nothing of this shell may fill in what the file lacks
  const env = { PATH: process.env.PATH, HOME: folder }
  return JSON.parse(execFileSync(tool, args, { cwd: folder, env, encoding: 'utf8', stdio: 'pipe' })) as Resolved
}

describe('the compose tool', () => {
  it('says what to do when there is no .env', () => {
    expect(() => config('core')).toThrow(/run docker\/generate-env first/)
  })

  it('takes every profile, once .env is generated', () => {
    execFileSync(join(folder, 'docker/generate-env'), { stdio: 'ignore' })
    expect(Object.keys(config('core').services).sort()).toEqual(
      ['migrate', 'minio', 'minio-setup', 'postgres', 'redis', 'scheduler', 'trino', 'webserver', 'worker'].sort(),
    )
    expect(Object.keys(config('core', 'spark').services)).toContain('spark-worker')
    expect(Object.keys(config('core', 'observe').services)).toEqual(expect.arrayContaining(['prometheus', 'grafana']))
    expect(Object.keys(config('core', 'mail').services)).toContain('mail')
  })

  it('resolves every port to loopback, every limit to a size, and leaves no variable empty', () => {
    const all = config('core', 'spark', 'observe', 'mail')
    for (const [name, service] of Object.entries(all.services)) {
      for (const port of service.ports ?? []) expect(port.host_ip, name).toBe('127.0.0.1')
      expect(Number(service.deploy.resources.limits.memory), name).toBeGreaterThan(64 * 2 ** 20)
      for (const [variable, value] of Object.entries(service.environment ?? {})) {
        expect(value, `${name}: ${variable}`).toMatch(/\S/)
      }
    }
    expect(all.services.worker?.deploy.replicas).toBe(2)
    // only parts with a page for people are on the network that is published
    const published = Object.entries(all.services).filter(([, { networks }]) => 'edge' in networks)
    expect(published.map(([name]) => name).sort()).toEqual(['grafana', 'mail', 'webserver'])
  })
})
