import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { processEntry } from '../../package-root.js'
import { Project } from '../e2e/project.js'
import { sourceText } from '../source-files.js'

/** The blocks of one language on a page, in their order. */
function blocks(page: string, language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm')
  return [...sourceText(page).matchAll(fenced)].map(([, text = '']) => text)
}

/** Types lines of a page into bash, with the built command line behind `npx sluice`. Ends at the first that fails. */
async function type(project: Project, lines: string): Promise<{ code: number | null; said: string }> {
  const npx = 'set -e\nnpx() { shift; "$NODE" "$SLUICE" "$@"; }\n'
  const { SLUICE_URL: _url, SLUICE_TOKEN: _token, FORCE_COLOR: _colour, ...inherited } = process.env
  const env = { ...inherited, NODE: process.execPath, SLUICE: processEntry('cli/sluice.js') }
  const bash = spawn('bash', ['-c', npx + lines], { cwd: project.folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [bash.stdout, bash.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const [code] = (await once(bash, 'close')) as [number | null]
  return { code, said }
}

const containing = (texts: readonly string[], word: string): string => texts.find((text) => text.includes(word)) ?? ''

describe('what a newcomer types', () => {
  let project: Project

  afterEach(async () => {
    await project.remove()
  })

  it('from the README ends well', async () => {
    project = await Project.ready({
      'dags/daily_sales.yaml': containing(blocks('README.md', 'yaml'), 'dag: daily_sales'),
    })
    const { code, said } = await type(project, containing(blocks('README.md', 'sh'), 'sluice run daily_sales'))
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('1 good DAG with 2 tasks, no problems.') })
    expect(said).toMatch(/^silver_sales +success +1 .+ silver\.sales v0, \+2 rows$/m)
    expect(said).toMatch(/^Germany +99$/m)
  })

  it('from the guide to the first DAG ends well', async () => {
    const page = 'docs/guides/first-dag.md'
    const dags = blocks(page, 'yaml').map((text) => [`dags/${/^dag: (\w+)/m.exec(text)?.[1]}.yaml`, text] as const)
    expect(dags.map(([path]) => path)).toEqual(['dags/first.yaml', 'dags/orders.yaml', 'dags/orders_daily.yaml'])
    const orders = /^```\n(order_id,[\s\S]*?)^```/m.exec(sourceText(page))?.[1] ?? ''
    project = await Project.ready({ ...Object.fromEntries(dags), 'dags/data/orders.csv': orders })
    const commands = blocks(page, 'sh').filter((text) => !/sluice (up|trigger)/.test(text))
    const { code, said } = await type(project, commands.join(''))
    expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('3 good DAGs with 4 tasks, no problems.') })
    expect(said).toMatch(/^silver_orders +success +1 .+ silver\.orders v0, \+2 rows$/m)
    expect(said).toMatch(/^orders_daily +2026-03-29 04:00:00Z/m)
  })
})
