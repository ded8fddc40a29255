import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ORDERS, sampleDag, sampleTask } from './sample-dags.js'
import { addRuns, addTasks, fillStore, LIVE_RUN, NOW, runIdOf } from './sample-store.js'
import { SampleWeb, sampleTables } from './sample-web.js'

const web = new SampleWeb()
const RUN = runIdOf(LIVE_RUN)
let operator = ''

beforeAll(async () => {
  await web.open()
  await web.start()
  operator = await web.login('operator')
})
afterAll(() => web.close())

describe('an empty store', () => {
  it('has pages that say what to do', async () => {
    const paths = ['/', '/dags', '/runs', '/tables', '/workers', '/audit', '/account']
    const [now, dags, , , workers] = await Promise.all(paths.map((path) => web.page(path, operator)))
    expect(now).toContain('All is well.')
    expect(dags).toContain('Put a YAML file into the folder')
    expect(workers).toContain('No worker has reported yet')
  })

  it('is filled for the rest', async () => {
    await fillStore(web.store, web.database)
    sampleTables(web)
    const at = new Date(NOW).toISOString()
    web.say(RUN, 'gold_segments', 2, [
      { at, level: 'info', message: 'Planned 5 stages' },
      { at, level: 'warn', message: 'Join is SKEWED: 38 % in one partition' },
      { at, level: 'error', message: 'Poll failed' },
    ])
    expect(await web.page('/dags', operator)).toContain('orders_daily')
  })
})

/** Addresses of our own that a page links to. */
function linksOf(html: string): string[] {
  const found = [...html.matchAll(/(?:href|action|src)="([^"]*)"/g)].map(([, address = '']) => address)
  return found.map((address) => address.replaceAll('&amp;', '&').replaceAll('&#x3D;', '='))
}

describe('every page', () => {
  it('is reached by links that all resolve, each with its headers', async () => {
    const seen = new Set(['/'])
    const visited: string[] = []
    const open = ['/']
    const problems: string[] = []
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      visited.push(path)
      const response = await web.get(path, operator)
      const html = await response.text()
      if (response.status !== 200) problems.push(`${path}: ${response.status}`)
      if (!response.headers.get('content-type')?.startsWith('text/html')) continue
      problems.push(...headerProblems(path, response, html))
      for (const link of linksOf(html)) {
        const url = new URL(link, `${web.web.url}${path}`)
        const address = url.pathname + url.search
        if (url.origin !== new URL(web.web.url).origin) problems.push(`${path} links to ${link}`)
        if (link.startsWith('#') && !html.includes(`id="${link.slice(1)}"`)) problems.push(`${path} has no ${link}`)
        if (!seen.has(address) && !isAction(address) && sampled(address)) open.push(address)
        seen.add(address)
      }
    }
    expect(problems).toEqual([])
    expect(visited.length).toBeGreaterThan(150)
  }, 120_000)

  /** What is only posted to, and what would stream for ever. */
  function isAction(address: string): boolean {
    return /\/(acknowledge|active|backfill|cancel|clear|end|mark|mutes|pause|resume|retry|rollback)$|^\/logout|^\/live/.test(
      address,
    )
  }

  /** Of the many cells of the grid some are enough. */
  function sampled(address: string): boolean {
    const day = /-2026(\d{4})T/.exec(address)?.[1]
    return day === undefined || day === '1120' || day === '1108'
  }

  function headerProblems(path: string, response: Response, html: string): string[] {
    const policy = response.headers.get('content-security-policy') ?? ''
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
    const wanted: [string, boolean][] = [
      ['a policy', policy.startsWith("default-src 'none'") && policy.includes("frame-ancestors 'none'")],
      ['nosniff', response.headers.get('x-content-type-options') === 'nosniff'],
      ['no framing', response.headers.get('x-frame-options') === 'DENY'],
      ['no cache', response.headers.get('cache-control') === 'no-store'],
      [
        'its nonce on each script',
        [...html.matchAll(/<script\b([^>]*)>/g)].every(([, tag = '']) => tag.includes(nonce)),
      ],
      ['no inline script', !/<script\b[^>]*>[^<]/.test(html)],
      ['no style attribute', !/<[a-z][^>]*\sstyle=/.test(html)],
      ['no handler attribute', !/<[a-z][^>]*\son[a-z]+=/.test(html)],
      ['unique ids', uniqueIds(html)],
    ]
    return wanted.flatMap(([what, holds]) => (holds ? [] : [`${path} lacks ${what}`]))
  }

  function uniqueIds(html: string): boolean {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    return new Set(ids).size === ids.length
  }
})

describe('the DAG list', () => {
  it('shows the last runs as bars, each with a shape besides its colour', async () => {
    const html = await web.page('/dags', operator)
    const row = html.slice(html.indexOf('id="d-weather_hourly-bars"'), html.indexOf('id="d-weather_hourly-last"'))
    expect(row.match(/<rect/g)).toHaveLength(20)
    expect(row.match(/class="s-failed"/g)).toHaveLength(3)
    expect(row.match(/<path d="M\d+ 25l4 4m0-4-4 4"\/>/g)).toHaveLength(3)
  })

  it('names broken files with their place and hint', async () => {
    const html = await web.page('/dags', operator)
    expect(html).toContain('1 file does not load.')
    expect(html).toContain('<code>returns_daily.yaml:23:7</code> unknown key <code>shedule</code>')
    expect(html).toContain('It was never good, so nothing runs from it.')
    expect(html).not.toContain('last good version')
  })

  it('filters by text, also of tasks and tables, by state, tag and owner', async () => {
    const dagsOf = async (query: string) =>
      [...(await web.page(`/dags?${query}`, operator)).matchAll(/id="d-(\w+)-bars"/g)].map(([, dag]) => dag)
    expect(await dagsOf('q=CLICKS')).toEqual(['click_batches'])
    expect(await dagsOf('q=gold.revenue')).toEqual(['orders_daily'])
    expect(await dagsOf('state=failed')).toEqual(['weather_hourly'])
    expect(await dagsOf('state=paused')).toEqual(['ledger_close'])
    expect(await dagsOf('tag=sales')).toEqual(['orders_daily'])
    expect(await dagsOf('owner=pim')).toEqual(['catalog_sync'])
    expect(await dagsOf('q=nothing')).toEqual([])
    expect(await dagsOf('sort=name')).toEqual([
      'catalog_sync',
      'click_batches',
      'ledger_close',
      'orders_daily',
      'weather_hourly',
    ])
    expect((await dagsOf('sort=due')).slice(0, 3)).toEqual(['click_batches', 'weather_hourly', 'orders_daily'])
    expect((await dagsOf(''))[0]).toBe('weather_hourly')
    expect(await dagsOf('q=%25')).toEqual([])
  })

  it('says DAG time first and UTC after it', async () => {
    const html = await web.page('/dags', operator)
    expect(html).toContain('Sat 06:00 Paris · 05:00Z')
    expect(html).toContain('in 23 h 18 m')
  })

  it('pauses and resumes with a form', async () => {
    const response = await web.post('/dags/orders_daily/active', operator, {}, '/dags')
    expect(response.headers.get('location')).toBe('/dags/orders_daily')
    expect(web.calls.at(-1)).toEqual(['pause', 'orders_daily', '', { user: 'a_operator' }])
  })
})

describe('the grid', () => {
  it('has a column for each run and a row for each task in its group', async () => {
    const html = await web.page('/dags/orders_daily', operator)
    expect(html).toContain('Last 24 runs')
    expect(html.match(/class="leaf"/g)).toHaveLength(18)
    expect(html).toContain('<th scope="rowgroup">bronze <span class="sub">5</span></th>')
    expect((await web.page('/dags/orders_daily?n=60', operator)).match(/class="day/g)).toHaveLength(31)
    const hourly = await web.page('/dags/weather_hourly', operator)
    const clocks = [...hourly.matchAll(/class="day[^>]*>([^<]*)</g)].map(([, label]) => label)
    expect(clocks.join(' '), 'every second, the newest among them').toMatch(/^ ?(\d\d:\d\d {2})*\d\d:\d\d$/)
  })

  it('shows any run beside it, and what of it needs a look', async () => {
    const html = await web.page(`/dags/orders_daily?run=${RUN}`, operator)
    expect(html).toContain('Run of 20 Nov')
    expect(html).toContain('19 Nov 06:00 to 20 Nov 06:00 Paris')
    expect(html).toContain('silver_returns')
  })
})

describe('the run page', () => {
  it('has a row, a bar and a node for each task, with its reason', async () => {
    const html = await web.page(`/runs/${RUN}`, operator)
    expect(html.match(/<tr id="t-/g)).toHaveLength(18)
    expect(html.match(/<a class="node /g)).toHaveLength(18)
    expect(html).toContain('pool heavy is full, 4 of 4')
    expect(html).toContain('silver.orders 412, +47,980 ~233 rows; 1 check warned')
    expect(html).toMatch(/10 of 18/)
    expect(html).toContain('silver_returns failed its gate.')
  })

  it('marks the task whose statement has no gate, and no other, on its own page too', async () => {
    const html = await web.page(`/runs/${RUN}`, operator)
    const mark = /<span class="tag" title="[^"]+">not gated<\/span>/g
    expect(html.match(mark)).toHaveLength(1)
    expect(html).toMatch(/<tr id="t-gold_margin"(?:(?!<\/th>).)*>not gated</)
    expect((await web.page(`/runs/${RUN}/tasks/gold_margin`, operator)).match(mark)).toHaveLength(1)
    expect((await web.page(`/runs/${RUN}/tasks/gold_segments`, operator)).match(mark)).toBeNull()
  })

  it('shows only the tasks of one state when asked', async () => {
    const html = await web.page(`/runs/${RUN}?state=running`, operator)
    expect([...html.matchAll(/<tr id="t-(\w+)"/g)].map(([, task]) => task)).toEqual(['gold_segments', 'gold_baskets'])
  })

  it('marks the way to what ended last', async () => {
    const html = await web.page(`/runs/${RUN}`, operator)
    // gold_segments and gold_baskets run on; silver_orders and bronze_lines decided when they began
    expect(html.match(/class="edge crit"/g)).toHaveLength(2)
  })

  it('clears all tasks or the failed ones', async () => {
    await web.post(`/runs/${RUN}/clear`, operator, { failed_only: '1' })
    expect(web.calls.at(-1)).toEqual([
      'clear',
      RUN,
      null,
      { downstream: true, failedOnly: true },
      { user: 'a_operator' },
    ])
  })
})

describe('deadlines', () => {
  it('are listed while something is late or at risk, with what is expected and why', async () => {
    const html = await web.page('/', operator)
    const panel = html.slice(html.indexOf('id="late"'), html.indexOf('<h2>Running</h2>'))
    const [missed = '', atRisk = ''] = panel.split('data-row=""').slice(1)
    expect(missed).toContain('href="#missed"')
    expect(missed).toContain('>orders_daily · gold_segments</a>')
    expect(missed).toContain('06:35 Paris<span class="sub">05:35Z</span></td>')
    expect(missed).toContain('<span class="muted">running</span>')
    expect(missed).toContain('6 m 12 s late so far')
    expect(atRisk).toContain('href="#warn"')
    expect(atRisk).toContain('<b>07:04 Paris</b><span class="sub">4 m 00 s late, p90 9 m 00 s late</span>')
    expect(atRisk).toContain('sync_crm<span class="sub">')
    expect(html).toContain('2 late or at risk')
  })

  it('stand on the page of the run, the worst of them', async () => {
    const html = await web.page('/runs/orders_daily-20261120T050000Z', operator)
    expect(html).toContain('<div class="s-missed"><span class="label">SLA within 35m of gold_segments</span>')
    expect(html).toContain('6 m 12 s over</span><span class="muted">06:35 Paris · 05:35Z, and 1 more</span>')
    const kept = await web.page('/runs/orders_daily-20261119T050000Z', operator)
    expect(kept).toContain('<span class="label">SLA by 07:00</span>')
    expect(kept).toMatch(/<div class="s-success">.*\d+ m \d+ s early/)
  })

  it('stand on the pages of the DAG, with how they were kept', async () => {
    expect(await web.page('/dags/orders_daily', operator)).toContain(
      '<span>SLA <b>by 07:00 Paris</b> · met 29 of 30 in 30 days</span>',
    )
    expect(await web.page('/dags/weather_hourly', operator)).not.toContain('SLA')
  })
})

describe('a page that there is not', () => {
  it.each([
    ['/dags/none', 404],
    ['/dags/orders_daily/code?version=none', 404],
    ['/tables/no.table', 404],
    ['/nothing', 404],
  ])('%s is answered with %i', async (address, status) => {
    expect((await web.get(address, operator)).status).toBe(status)
  })
})

describe('a table', () => {
  it('names the run behind each version and asks for its name before it rolls back', async () => {
    const html = await web.page('/tables/silver.orders?to=409', operator)
    expect(html).toContain(`href="/runs/${RUN}/tasks/silver_orders?try&#x3D;1"`)
    expect(html).toContain('Roll back silver.orders to 409?')
    expect(html).toContain('<b>3 later commits</b> undone: 412, 411, 410')
    const calls = web.calls.length
    const wrong = await web.post('/tables/silver.orders/rollback', operator, { version: '409', name: 'silver.order' })
    expect([wrong.status, web.calls.length]).toEqual([422, calls])
    const right = await web.post('/tables/silver.orders/rollback', operator, {
      version: '409',
      name: 'silver.orders',
      reason: 'twice',
    })
    expect(right.headers.get('location')).toBe('/tables/silver.orders')
    expect(web.calls.at(-1)).toEqual([
      'rollback',
      'silver.orders',
      409,
      { user: 'a_operator', reason: 'twice', now: NOW },
    ])
    const [row] = await web.database.query(
      'select user_name, reason from table_versions where table_name = $1 and version = 413',
      ['silver.orders'],
    )
    expect(row).toEqual({ user_name: 'a_operator', reason: 'twice' })
  })

  it('is not rolled forward', async () => {
    const response = await web.post('/tables/silver.orders/rollback', operator, {
      version: '412',
      name: 'silver.orders',
    })
    expect(response.status).toBe(404)
  })
})

describe('the trigger form', () => {
  const path = '/dags/orders_daily/trigger'

  it('has a field for each parameter, in the order of the file, and says what will happen', async () => {
    const html = await web.page(path, operator)
    const fields = [...html.matchAll(/name="param\.(\w+)"/g)].map(([, name]) => name)
    expect(fields).toEqual(['country', 'from_date', 'max_rows', 'discounts', 'full_refresh', 'note'])
    expect(html).toContain('Latest complete: 19 Nov 06:00 to 20 Nov 06:00 Paris')
    expect(html).toContain('max_active_runs is 1')
    expect(html).toContain('Takes about 49 m 00 s')
  })

  it('shows errors beside their fields, keeps what was written, and starts nothing', async () => {
    const calls = web.calls.length
    const fields = { 'param.max_rows': '50000000', 'param.country': 'France', interval: 'other', start: 'x', end: 'y' }
    const response = await web.post(path, operator, fields, path)
    const html = await response.text()
    expect([response.status, web.calls.length]).toEqual([422, calls])
    expect(html).toContain('Not started: 3 fields need a change.')
    expect(html).toMatch(/id="p-max_rows-e">.*5000000/)
    expect(html).toContain('value="50000000"')
    expect(html).toContain('<option value="France" selected>')
    expect(html).toContain('--param max_rows&#x3D;50000000')
  })

  it('triggers once, however often the button is pressed', async () => {
    const fields = {
      'param.from_date': '2026-11-01',
      'param.discounts': '0.05\r\n0.2',
      'param.full_refresh': 'true',
      key: 'k',
    }
    const response = await web.post(path, operator, fields, path)
    expect(response.headers.get('location')).toBe('/runs/orders_daily-20261120T054112000Z-manual')
    expect(web.calls.at(-1)).toEqual([
      'trigger',
      'orders_daily',
      {
        params: { from_date: '2026-11-01', discounts: [0.05, 0.2], full_refresh: true },
        interval: null,
        onlyTasks: null,
        noChecks: false,
      },
      { user: 'a_operator' },
      'form-k',
    ])
  })

  it('is filled in from an earlier run', async () => {
    await web.database.query('update runs set params = $2 where run_id = $1', [RUN, '{"country":"Germany"}'])
    expect(await web.page(`${path}?like=${RUN}`, operator)).toContain('<option value="Germany" selected>')
  })
})

describe('what DAG authors write', () => {
  const EVIL = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{constructor}}'&`

  it('is text on every page, whatever it is', async () => {
    const dag = sampleDag('evil', [sampleTask('a_task', [], { operator: EVIL, group: EVIL, config: { to: EVIL } })], {
      owner: EVIL,
      tags: [EVIL],
      description: EVIL,
      source: `dag: evil # ${EVIL}\n${EVIL}: 1\n`,
      files: { [`sql/${EVIL}.sql`]: `select '${EVIL}' -- ${EVIL}` },
      params: {
        odd: { type: 'string', title: EVIL, description: EVIL, default: EVIL, enum: [EVIL, 'b'] },
        list: { type: 'array', default: [EVIL] },
      },
      schedule: null,
    })
    await web.store.registerDags(
      {
        dags: [dag],
        broken: [],
        problems: [
          { file: dag.file, line: 1, column: 1, path: '', severity: 'error', message: 'x', hint: '' },
          { file: EVIL, line: 1, column: 1, path: EVIL, severity: 'error', message: EVIL, hint: EVIL },
        ],
        nextDue: { evil: null },
      },
      NOW,
    )
    await web.store.setPaused('evil', true, EVIL, NOW)
    const run = { dag, dueAt: NOW - 1000, state: 'failed', ms: 10, kind: 'manual', triggeredBy: EVIL }
    await addRuns(web.database, [run])
    await addTasks(web.database, run, [
      {
        taskId: 'a_task',
        state: 'failed',
        attempts: [{ from: 0, to: 5, result: 'failed', reason: EVIL }],
        reason: EVIL,
      },
    ])
    await web.database.query('update runs set params = $2, reason = $3 where run_id = $1', [
      runIdOf(run),
      JSON.stringify({ odd: EVIL, [EVIL]: 1 }),
      EVIL,
    ])
    await web.database.query('update attempts set rendered = $2, outputs = $2, worker_id = $3 where run_id = $1', [
      runIdOf(run),
      JSON.stringify({ query: EVIL, file: EVIL, to: EVIL, rendered_files: { [EVIL]: EVIL } }),
      EVIL,
    ])
    await web.store.audit({ user: EVIL, action: EVIL, target: EVIL, detail: { a: EVIL } }, NOW)
    web.say(runIdOf(run), 'a_task', 1, [{ at: EVIL, level: 'error', message: EVIL }])
    const pages = [
      '/',
      '/dags',
      '/dags/evil',
      '/dags/evil/graph',
      '/dags/evil/code',
      '/dags/evil/trigger',
      '/dags/evil/runs',
      '/dags/evil/audit',
      '/runs',
      '/audit',
      `/runs/${runIdOf(run)}`,
      `/runs/${runIdOf(run)}/tasks/a_task`,
      `/runs/${runIdOf(run)}/tasks/a_task?q=${encodeURIComponent('<script>')}`,
      `/dags?q=${encodeURIComponent(EVIL)}&tag=${encodeURIComponent(EVIL)}`,
      `/runs?dag=${encodeURIComponent(EVIL)}`,
      `/nothing/${encodeURIComponent(EVIL)}`,
    ]
    for (const path of pages) {
      const html = await (await web.get(path, operator)).text()
      expect(html, path).not.toMatch(/<script>alert|<img|onerror=alert\(1\)>/)
      expect(html, path).not.toMatch(/value="[^"]*"><script/)
    }
    expect(await web.page('/dags/evil', operator)).toContain('{{constructor}}')
  })
})

describe('odd stores', () => {
  it('a DAG of 500 tasks, in Greek, and one whose file is gone', async () => {
    const tasks = Array.from({ length: 500 }, (_, place) =>
      sampleTask(
        `task_${place}`,
        place === 0 ? [] : place < 499 ? ['task_0'] : Array.from({ length: 498 }, (_, need) => `task_${need + 1}`),
      ),
    )
    const huge = sampleDag('huge', tasks, { description: 'Παραγγελίες ημέρας 🚚', owner: 'ομάδα', tags: ['ελληνικά'] })
    await web.store.registerDags({ dags: [ORDERS, huge], broken: [], problems: [], nextDue: { huge: NOW + 1000 } }, NOW)
    const run = { dag: huge, dueAt: NOW - 60_000, state: 'running', ms: 0 }
    await addRuns(web.database, [run])
    await addTasks(
      web.database,
      run,
      tasks.map((task) => ({ taskId: task.id, state: 'running', attempts: [{ from: 10, to: null, result: null }] })),
    )
    const html = await web.page(`/runs/${runIdOf(run)}`, operator)
    expect(html.match(/<tr id="t-/g)).toHaveLength(500)
    expect(html).toContain('500 tasks make a wide drawing')
    expect((await web.page(`/runs/${runIdOf(run)}?graph=1`, operator)).match(/<a class="node /g)).toHaveLength(500)
    expect(await web.page('/dags/huge', operator)).toContain('Παραγγελίες ημέρας 🚚')
    expect(await web.page('/dags/huge?n=180', operator)).toContain('no more than 40 runs fit')
    const gone = await web.page('/dags/weather_hourly', operator)
    expect(gone).toContain('file gone')
    expect(gone).not.toContain('/trigger"')
    expect((await web.get('/dags/weather_hourly/trigger', operator)).status).toBe(404)
  })
})
