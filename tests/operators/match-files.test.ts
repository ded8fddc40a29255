import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { formatOf } from '../../operators/tables/file-format.js'
import { MAX_FILES, matchFiles } from '../../operators/tables/match-files.js'
import { failureOf, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

/** Matches as paths relative to the DAG file's folder. */
async function match(...globs: string[]): Promise<string[]> {
  const options = { folder: project.dags, roots: [project.project], signal: new AbortController().signal }
  return (await matchFiles(globs, options)).map((path) => path.replace(`${project.dags}/`, ''))
}

describe('matchFiles', () => {
  it('sorts the matches of each glob by path and names each file once', async () => {
    for (const name of ['b-10.csv', 'b-9.csv', 'a.csv', 'deep/er/c.csv', 'd.json']) project.write(`sorted/${name}`, '')
    expect(await match('sorted/*.csv')).toEqual(['sorted/a.csv', 'sorted/b-10.csv', 'sorted/b-9.csv'])
    expect(await match('sorted/b-9.csv', 'sorted/**/*.csv')).toEqual([
      'sorted/b-9.csv',
      'sorted/a.csv',
      'sorted/b-10.csv',
      'sorted/deep/er/c.csv',
    ])
    expect(await match('./sorted/{a,d}.*')).toEqual(['sorted/a.csv', 'sorted/d.json'])
  })

  it('takes the name of an existing file as it is, and an absolute one too', async () => {
    const file = project.write('landing/orders [1] {a,b}*.csv', '')
    project.write('landing/orders 1 a.csv', '')
    expect(await match('landing/orders [1] {a,b}*.csv')).toEqual(['landing/orders [1] {a,b}*.csv'])
    expect(await match(file)).toEqual(['landing/orders [1] {a,b}*.csv'])
  })

  it('reads beside the DAG folder, inside the project', async () => {
    project.write('../data/x.csv', '')
    expect(await match('../data/*.csv')).toEqual([join(project.project, 'data/x.csv')])
  })

  it.each(['sorted/*.parquet', 'nowhere/x.csv', 'nowhere/*.csv', '!sorted/a.csv', 'sorted'])(
    'names a glob without a match and where it looked: %s',
    async (glob) => {
      const error = await failureOf(match(glob))
      expect(error).toMatchObject({ code: 'FILES_NOT_FOUND', message: `No file matches ${glob} in dags.` })
    },
  )

  it('fails when one of several globs has no match', async () => {
    expect(await failureOf(match('sorted/*.csv', 'sorted/*.xml'))).toMatchObject({ code: 'FILES_NOT_FOUND' })
  })

  it.each([
    '/etc/hostname',
    '/etc/host*',
    '../../*',
    '../../../../../../etc/host*',
    'sorted/*/../../../../nothing-*',
    '../../project-next-door/x.csv',
    '../../project-next-door/gone.csv',
    '/**/*.csv',
  ])('refuses %s', async (glob) => {
    mkdirSync(join(project.root, 'project-next-door'), { recursive: true })
    writeFileSync(join(project.root, 'project-next-door/x.csv'), '')
    expect(await failureOf(match(glob))).toMatchObject({ code: 'PATH_OUTSIDE', retryable: false })
  })

  it('refuses what leads outside by a symbolic link, to a file or to a folder', async () => {
    mkdirSync(join(project.root, 'elsewhere'), { recursive: true })
    writeFileSync(join(project.root, 'elsewhere/secret.csv'), '')
    mkdirSync(join(project.dags, 'links'))
    symlinkSync(join(project.root, 'elsewhere/secret.csv'), join(project.dags, 'links/file.csv'))
    symlinkSync(join(project.root, 'elsewhere'), join(project.dags, 'links/folder'))
    for (const glob of [
      'links/file.csv',
      'links/*.csv',
      'links/folder/secret.csv',
      'links/folder/*.csv',
      'links/**/s*',
    ]) {
      expect(await failureOf(match(glob)), glob).toMatchObject({ code: 'PATH_OUTSIDE' })
    }
  })

  it('follows a symbolic link inside the project', async () => {
    project.write('../shared/data.csv', '')
    symlinkSync(join(project.project, 'shared'), join(project.dags, 'shared'))
    expect(await match('shared/*.csv')).toEqual([join(project.project, 'shared/data.csv')])
  })

  it('has a bound', async () => {
    mkdirSync(join(project.dags, 'many'))
    for (let i = 0; i <= MAX_FILES; i++) writeFileSync(join(project.dags, `many/${i}.csv`), '')
    expect((await failureOf(match('many/*'))).message).toBe('many/* matches more than 10,000 files.')
  })
})

describe('formatOf', () => {
  it.each([
    ['a.csv', { format: 'csv' }],
    ['a.TSV.gz', { format: 'csv', delimiter: '\t' }],
    ['a.jsonl.zst', { format: 'ndjson' }],
    ['a.b.json', { format: 'json' }],
    ['a.parquet', { format: 'parquet' }],
  ])('reads it from the extension: %s', (path, format) => expect(formatOf([path])).toEqual(format))

  it('refuses what it cannot tell', () => {
    expect(() => formatOf(['/x.csv/README'])).toThrow(/README has no extension that names a format/)
    expect(() => formatOf(['a.csv', 'b.json'])).toThrow(/the files mix .csv and .json/)
    expect(() => formatOf(['a.constructor'])).toThrow(/no extension that names a format/)
  })
})
