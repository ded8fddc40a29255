import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operators } from '../operators/index.js'
import { PACKAGE_ROOT } from '../package-root.js'
import { type FolderReading, loadFolder } from '../scheduler/dag/load-folder.js'
import { loadConfig } from '../scheduler/load-config.js'
import { filesBelow, sourceText } from './source-files.js'

/** `dags/cluster` is a project of its own, with a test of its own against what it needs. */
const IN_CLUSTER = /^dags\/cluster\//
const DAG_FILES = filesBelow('dags', ['.yaml', '.yml']).filter((file) => !IN_CLUSTER.test(file))
const PAGES = ['README.md', ...filesBelow('docs', ['.md'])]

describe('the example DAGs', () => {
  let reading: FolderReading

  beforeAll(async () => {
    reading = await loadFolder({
      operators,
      project: PACKAGE_ROOT,
      dags: join(PACKAGE_ROOT, 'dags'),
      vars: [],
      pools: ['default'],
    })
  })

  it('have no problems', () => {
    expect(reading.problems).toEqual([])
    expect(reading.dags.map((dag) => `dags/${dag.file}`).sort()).toEqual(DAG_FILES)
  })

  it('use every SQL file there is', () => {
    const named = reading.dags.flatMap((dag) =>
      Object.keys(dag.files).map((path) => join('dags', dag.file, '..', path)),
    )
    expect(named.sort()).toEqual(filesBelow('dags', ['.sql']).filter((file) => !IN_CLUSTER.test(file)))
  })

  it('that npm start runs needs no program beside Node', () => {
    const started = reading.dags.find(({ id }) => id === 'airline_delays')
    expect(new Set(started?.tasks.map(({ operator }) => operator))).toEqual(new Set(['ingest', 'sql', 'quality_check']))
  })

  it.each(DAG_FILES)('%s names a schema that is there', (file) => {
    const schema = /^# yaml-language-server: \$schema=(.+)$/m.exec(sourceText(file))?.[1] ?? ''
    expect(join(file, '..', schema)).toBe('docs/reference/dag.schema.json')
  })
})

describe('the DAGs of the cluster', () => {
  it('have no problems, and use every SQL and Python file there is', async () => {
    const project = join(PACKAGE_ROOT, 'dags/cluster')
    const dags = join(project, 'dags')
    const vars = ['shop_jdbc_url', 'shop_user']
    for (const name of [...vars, 'spark: 2']) expect(sourceText('dags/cluster/sluice.yaml')).toContain(name)
    const reading = await loadFolder({ operators, project, dags, vars, pools: ['default', 'spark'] })
    expect(reading.problems).toEqual([])
    const named = reading.dags.flatMap((dag) => Object.keys(dag.files).map((path) => `dags/cluster/dags/${path}`))
    expect(named.sort()).toEqual(filesBelow('dags/cluster/dags', ['.sql', '.py']))
  })

  it('have a configuration that Sluice takes', () => {
    const { connections, queue } = loadConfig(join(PACKAGE_ROOT, 'dags/cluster'))
    expect(Object.keys(connections)).toEqual(expect.arrayContaining(['lakehouse', 'minio', 'iceberg_catalog', 'spark']))
    expect(queue).toBe('redis://redis:6379/0')
  })

  it.each(filesBelow('dags/cluster/dags', ['.yaml']))('%s names a schema that is there', (file) => {
    const schema = /^# yaml-language-server: \$schema=(.+)$/m.exec(sourceText(file))?.[1] ?? ''
    expect(join(file, '..', schema)).toBe('docs/reference/dag.schema.json')
  })
})

describe('the data', () => {
  it('is as large as its README says', () => {
    const readme = sourceText('dags/data/README.md')
    const rows = filesBelow('dags/data', ['.csv']).map((file) => {
      const count = sourceText(file).trimEnd().split('\n').length - 1
      expect(readme).toContain(`\`${file.replace('dags/data/', '')}\` | ${count.toLocaleString('en-US')} |`)
      return count
    })
    const total = rows.reduce((sum, count) => sum + count, 0)
    expect(readme).toContain(`${total.toLocaleString('en-US')} rows`)
    expect(sourceText('README.md')).toContain(`${total.toLocaleString('en-US')} rows`)
    expect(total).toBeGreaterThanOrEqual(20_000)
  })
})

/** Blocks of YAML that are whole DAG files: their first line is `# dag`. */
const SNIPPETS = PAGES.flatMap((page) =>
  [...sourceText(page).matchAll(/^```yaml\n(# dag\n[\s\S]*?)^```/gm)].map(([, text = ''], index) => ({
    name: `${page} #${index + 1}`,
    text,
  })),
)

describe('the DAGs in the docs', () => {
  let project: string

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'sluice-snippets-'))
  })

  afterAll(async () => {
    await rm(project, { recursive: true, force: true })
  })

  it('are found', () => {
    expect(SNIPPETS.length).toBeGreaterThanOrEqual(4)
  })

  it.each(SNIPPETS)('$name is valid', async ({ name, text }) => {
    const dags = join(project, name.replace(/\W+/g, '_'))
    await mkdir(dags)
    await writeFile(join(dags, 'snippet.yaml'), text)
    const { problems, dags: good } = await loadFolder({ operators, project, dags, pools: ['default'] })
    expect(problems).toEqual([])
    expect(good).toHaveLength(1)
  })
})
