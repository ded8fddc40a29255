import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunShape } from '../../scheduler/shapes.js'
import { Project, type Up } from '../e2e/project.js'
import { BreakableWay } from './breakable-way.js'
import { Browser, type Visitor } from './browser.js'

/** Its first task waits for a file, so that a test says when the run goes on. */
const DAG = `dag: slow
params:
  gate: { type: string }
tasks:
  first:
    bash: |
      echo "one <b>bold</b> & <script>document.title = 'taken'</script> only"
      until [ -e "$GATE" ]; do sleep 0.1; done
      echo "after the gate"
    env: { GATE: "{{ params.gate }}" }
  second:
    bash: ["true"]
    needs: [first]
`

/** Its log goes on when a test says so. */
const BROKEN = `dag: broken
params:
  gate: { type: string }
tasks:
  only:
    bash: |
      echo before the gates
      until [ -e "$GATE-1" ]; do sleep 0.1; done
      echo between the gates
      until [ -e "$GATE-2" ]; do sleep 0.1; done
      echo after the gates
    env: { GATE: "{{ params.gate }}" }
`

const browser = new Browser()
let project: Project
let up: Up
let cookie = ''
let gates = 0

beforeAll(async () => {
  project = await Project.ready({ 'dags/slow.yaml': DAG, 'dags/broken.yaml': BROKEN })
  await browser.open()
  up = await project.up()
  const login = await fetch(up.loginLink, { redirect: 'manual' })
  cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
})
afterAll(async () => {
  await browser.close()
  await project.remove()
})

/** A run whose first task waits at its gate: its attempt has a page. */
async function running(dag: string, gate: string): Promise<string> {
  const { run } = await project.json<{ run: string }>('trigger', dag, '--param', `gate=${gate}`)
  const first = async () => (await project.api<RunShape>(`/runs/${run}`)).tasks[0]?.state
  await expect.poll(first, { timeout: 20_000 }).toBe('running')
  return run
}

interface Watched {
  visitor: Visitor
  /** lets the run go on */
  open(): Promise<void>
}

/** A page of a run whose first task waits. What is shown in the end is on the page that was loaded in the beginning. */
async function watching(pageOf: (run: string) => string, use: (watched: Watched) => Promise<void>): Promise<void> {
  const gate = join(project.folder, `gate-${++gates}`)
  const run = await running('slow', gate)
  const visitor = await browser.visitor(new URL(up.loginLink).origin, cookie)
  try {
    await visitor.go(pageOf(run))
    await visitor.page.evaluate('window.sameLoad = true')
    await use({ visitor, open: () => writeFile(gate, '') })
    expect(await visitor.page.evaluate('window.sameLoad')).toBe(true)
    expect(visitor.trouble).toEqual([])
  } finally {
    await writeFile(gate, '')
    await visitor.close()
  }
}

describe('the page of a run', () => {
  it('follows its tasks to the end, and then offers what an ended run does', async () => {
    await watching(
      (run) => `/runs/${run}`,
      async ({ visitor: { page }, open }) => {
        const row = (task: string) => page.locator('tr[data-row]', { has: page.getByRole('link', { name: task }) })
        await row('first').getByText('running', { exact: true }).waitFor()
        expect(await page.locator('.clock.live').count()).toBe(1)
        await open()
        for (const task of ['first', 'second']) await row(task).getByText('success', { exact: true }).waitFor()
        await page.getByRole('button', { name: 'Clear and run again' }).waitFor()
        // each is a change of its own, the last one comes with the end of the stream
        await page.getByRole('button', { name: 'Cancel run' }).waitFor({ state: 'detached' })
        await page.locator('.clock.live').waitFor({ state: 'detached' })
      },
    )
  })

  it('keeps the focus on a task whose row changes', async () => {
    await watching(
      (run) => `/runs/${run}`,
      async ({ visitor: { page }, open }) => {
        const link = page.locator('tr[data-row]').getByRole('link', { name: 'first' })
        await page.locator('tr[data-row]').getByText('running', { exact: true }).waitFor()
        await link.focus()
        await open()
        await page.locator('tr[data-row]').getByText('success', { exact: true }).first().waitFor()
        expect(await link.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true)
      },
    )
  })
})

async function expectEachLineOnce(page: Page): Promise<void> {
  const lines = await page.locator('.log [data-line]').evaluateAll((all) => all.map((one) => one.id))
  expect(lines).toEqual(lines.map((_, place) => `L${place + 1}`))
}

describe('the page of an attempt', () => {
  const log = (run: string) => `/runs/${run}/tasks/first`

  it('adds lines as they are written, as text, and follows until the task has ended', async () => {
    await watching(log, async ({ visitor: { page }, open }) => {
      await page.locator('.log').getByText(`one <b>bold</b> & <script>document.title = 'taken'</script> only`).waitFor()
      await page.getByRole('button', { name: 'Stop following' }).waitFor()
      await open()
      await page.locator('.log').getByText('after the gate').waitFor()
      await page.locator('#attempt-state').getByText('success').waitFor()
      await page.getByRole('button', { name: 'Follow', exact: false }).waitFor()
      expect(await page.title()).not.toBe('taken')
      await expectEachLineOnce(page)
    })
  })

  it('stops following by f, and goes on where it stopped', async () => {
    await watching(log, async ({ visitor: { page }, open }) => {
      await page.locator('.log').getByText('one <b>').waitFor()
      await page.keyboard.press('f')
      await page.getByRole('button', { name: /^Follow/ }).waitFor()
      await open()
      const { run } = /runs\/(?<run>[^/]+)/.exec(page.url())?.groups ?? {}
      await expect
        .poll(async () => (await project.api<{ state: string }>(`/runs/${run}`)).state, { timeout: 20_000 })
        .toBe('success')
      expect(await page.locator('.log').getByText('after the gate').count()).toBe(0)
      await page.keyboard.press('f')
      await page.locator('.log').getByText('after the gate').waitFor()
      await expectEachLineOnce(page)
    })
  })
})

describe('the page of an attempt whose connection breaks', () => {
  it('shows each line once after the browser has connected again', async () => {
    const gate = join(project.folder, `gate-${++gates}`)
    const run = await running('broken', gate)
    const way = await BreakableWay.to(Number(new URL(up.loginLink).port))
    const { page, ...visitor } = await browser.visitor(way.origin, cookie)
    const line = (text: string) => page.locator('.log').getByText(text).first().waitFor()
    try {
      await page.goto(`/runs/${run}/tasks/only`)
      await line('before the gates')
      await writeFile(`${gate}-1`, '')
      await line('between the gates')
      const before = way.connections
      way.breakAll()
      await expect.poll(() => way.connections, { timeout: 20_000 }).toBeGreaterThan(before)
      await writeFile(`${gate}-2`, '')
      await line('after the gates')
      await expectEachLineOnce(page)
    } finally {
      for (const one of [1, 2]) await writeFile(`${gate}-${one}`, '')
      await visitor.context.close()
      way.close()
    }
  })
})

describe('the list of DAGs', () => {
  it('shows a run that begins and ends meanwhile', async () => {
    await watching(
      () => '/dags',
      async ({ visitor: { page }, open }) => {
        const row = page.locator('tr[data-row]', { has: page.getByRole('link', { name: 'slow' }) })
        await row.locator('.s-running').first().waitFor({ state: 'attached' })
        await open()
        await expect.poll(() => row.locator('.s-running').count(), { timeout: 20_000 }).toBe(0)
      },
    )
  })
})
