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

it('says what is wrong with a name, a role and a user who is not there', async () => {
  expect((await sluice(['users', 'add', 'a b', '--project', project])).stderr).toContain('letters, digits, . _ @ and -')
  expect((await sluice(['users', 'add', 'bo', '--role', 'boss', '--project', project])).stderr).toContain(
    'viewer, operator, admin',
  )
  const { code, stderr } = await sluice(['users', 'link', 'nobody', '--project', project])
  expect(code).toBe(2)
  expect(stderr).toContain('There is no user nobody.')
})
