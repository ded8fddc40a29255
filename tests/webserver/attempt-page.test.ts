import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb, sampleTables } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)
let operator = ''

beforeAll(async () => {
  await web.open()
  await fillStore(web.store, web.database)
  sampleTables(web)
  await web.start()
  operator = await web.login('operator')
  const at = new Date(NOW).toISOString()
  web.say(RUN, 'gold_segments', 2, [
    { at, level: 'info', message: 'Planned 5 stages' },
    { at, level: 'warn', message: 'Join is SKEWED: 38 % in one partition' },
    { at, level: 'error', message: 'Poll failed' },
  ])
})
afterAll(() => web.close())

describe('the attempt page', () => {
  const path = `/runs/${RUN}/tasks/gold_segments`

  it('shows the log with anchors for deep links', async () => {
    const html = await web.page(path, operator)
    expect(html).toContain('<li id="L2" data-line="2" class="warn">')
    expect(html).toContain('href="#L3"')
    expect(html).toContain('Try 2')
  })

  it('shows how far the task is and what it measured', async () => {
    const html = await web.page(path, operator)
    expect(html).toContain('37 of 42 tasks')
    expect(html).toContain('in 3 stages')
    expect(html).toContain('18.4 GB written, 0 B read')
  })

  it('says above the log of each try why that one has failed, and says it once', async () => {
    const html = await web.page(`${path}?try=1`, operator)
    const [, verdict = ''] = /<div id="attempt-verdict"[^>]*>(.*?)<\/div><\/div>/s.exec(html) ?? []
    expect(verdict).toContain('<b>Failed.</b> out of memory: 1 GB used')
    expect(html.split('1 GB used')).toHaveLength(2)
    expect(html.indexOf(verdict)).toBeLessThan(html.indexOf('id="log"'))
    const running = await web.page(path, operator)
    expect(running).toContain('<dd id="attempt-lease">until ')
    expect(running).toContain('Try 1: out of memory: 1 GB used')
    expect(running).toContain('<div id="attempt-verdict" data-refresh=""></div>')
  })

  it('does not say again in the reason of its task what stands above the log', async () => {
    const reason = 'check unique return_id: 14 rows'
    await web.database.query(`update task_runs set reason = $2 where run_id = $1 and task_id = 'silver_returns'`, [
      RUN,
      `failed 2 times, at last: ${reason}`,
    ])
    const html = await web.page(`/runs/${RUN}/tasks/silver_returns`, operator)
    expect(html).toContain('<span class="muted">failed 2 times</span>')
    expect(html.split(reason)).toHaveLength(2)
  })

  it('finds text in it, whatever the case, and marks it', async () => {
    const html = await web.page(`${path}?q=skewed`, operator)
    expect(html).toContain('Join is <mark>SKEWED</mark>: 38 %')
    expect(html).not.toContain('Planned 5 stages')
    expect(html).toContain('1 line')
  })

  it('filters by level', async () => {
    expect(await web.page(`${path}?level=error`, operator)).not.toContain('SKEWED')
    expect(await web.page(`${path}?level=warn`, operator)).toContain('SKEWED')
  })

  it('gives the raw log as text', async () => {
    const response = await web.get(`${path}/log`, operator)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect((await response.text()).split('\n')[2]).toBe(`${new Date(NOW).toISOString()} error Poll failed`)
  })

  it.each([
    [`${path}?try=9`, 404],
    [`/runs/${RUN}/tasks/nothing`, 404],
    ['/runs/none/tasks/nothing', 404],
  ])('%s is answered with %i', async (address, status) => {
    expect((await web.get(address, operator)).status).toBe(status)
  })
})
