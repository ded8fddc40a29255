import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { giveStore } from '../scheduler/store/pglite-folder.js'
import { sluice } from './sluice-process.js'

let project: string
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'sluice-users-'))
  await giveStore(join(project, 'data/store'))
})
afterAll(() => rm(project, { recursive: true, force: true }))

const users = async () => JSON.parse((await sluice(['users', '--json', '--project', project])).stdout) as object[]

it('adds users with a login link, changes roles, gives tokens and removes, in the project that is named', async () => {
  const added = await sluice(['users', 'add', 'ana', '--role', 'operator', '--project', project])
  expect(added.stdout).toMatch(/^ana is operator\. Log in, once: http:\/\/localhost:8080\/login\?token=login_\S+\n$/)
  expect(await users()).toEqual([{ name: 'ana', role: 'operator', created_at: expect.stringMatching(/Z$/) }])
  await sluice(['users', '--project', project, 'add', 'ana', '--role', 'admin'])
  expect(await users()).toEqual([expect.objectContaining({ name: 'ana', role: 'admin' })])
  expect((await sluice(['users', 'token', 'ana', '--expires', '90d', '--project', project])).stdout).toMatch(/^sluice_/)
  expect((await sluice(['users', 'remove', 'ana', '--project', project])).stdout).toBe('ana is removed.\n')
  expect(await users()).toEqual([])
})

it('answers programs in JSON', async () => {
  const asked = async (...args: string[]) =>
    JSON.parse((await sluice(['users', ...args, '--json', '--project', project])).stdout)
  const login = expect.stringMatching(/^http:\/\/localhost:8080\/login\?token=login_\S+$/)
  const token = expect.stringMatching(/^sluice_\S+$/)
  expect(await asked('add', 'eve', '--role', 'admin')).toEqual({ name: 'eve', role: 'admin', login })
  expect(await asked('link', 'eve')).toEqual({ name: 'eve', login })
  expect(await asked('token', 'eve')).toEqual({ name: 'eve', token, expires_at: null })
  const expires_at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(await asked('token', 'eve', '--expires', '90d')).toEqual({ name: 'eve', token, expires_at })
  expect(await asked('remove', 'eve')).toEqual({ name: 'eve', removed: true })
})

it('says what is wrong with a name, a role and a user who is not there', async () => {
  expect((await sluice(['users', 'add', 'a b', '--project', project])).stderr).toContain('letters, digits, . _ @ and -')
  expect((await sluice(['users', 'add', 'bo', '--role', 'boss', '--project', project])).stderr).toContain(
    'viewer, operator, admin',
  )
  const { code, stderr } = await sluice(['users', 'link', 'nobody', '--project', project])
  expect(code).toBe(2)
  expect(stderr).toContain('There is no user nobody.')
})
