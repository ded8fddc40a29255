import { describe, expect, it } from 'vitest'
import { filesBelow, type Import, importsOf, sourceFiles, sourceText } from './source-files.js'

/** What each folder may import from, besides itself and the files at the root (docs/ARCHITECTURE.md). */
const ARROWS: Record<string, readonly string[]> = {
  cli: ['webserver', 'scheduler', 'operators', 'lakehouse'],
  webserver: ['scheduler', 'operators', 'lakehouse'],
  scheduler: ['operators', 'lakehouse'],
  operators: ['lakehouse'],
  lakehouse: [],
  tests: ['cli', 'webserver', 'scheduler', 'operators', 'lakehouse'],
}

/** Nothing but decisions: what reads a clock, a dice or the world has no place in `scheduler/core`. */
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bprocess\.|\bfetch\(/

const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] ?? '') : '')
const isOurs = (target: string): boolean => target.endsWith('.ts')

/** What is wrong with one import, or null. */
function importProblem(from: string, { target, specifier, typeOnly }: Import): string | null {
  const [folder, other] = [folderOf(from), folderOf(target)]
  if (specifier.startsWith('.') && !/\.(js|json)$/.test(specifier)) return `${from}: ${specifier} must end in .js`
  if (
    from.startsWith('scheduler/core/') &&
    !typeOnly &&
    !(isOurs(target) && /^(scheduler\/core\/|[^/]+$)/.test(target))
  )
    return `${from}: the core imports values from itself and the root only, not from ${specifier}`
  if (!isOurs(target) || other === '' || other === folder) return null
  if (folder === '') return `${from}: files at the root import no folder, not ${target}`
  return (ARROWS[folder] ?? []).includes(other) ? null : `${from}: ${folder} must not import ${target}`
}

/** Functions and classes, also functions kept in a constant, bare or wrapped: `export const one = remembered((…) =>`. */
const EXPORTED =
  /^export (?:default )?(?:async )?(?:function\*? ?(\w*)|(?:abstract )?class (\w*)|const (\w+)(?:: .*?)? =\s+(?:\w+\()?(?:async )?(?:function\b|(?:<.*>)?\((?:.*=>|$)))/gm
const DOCSTRING_ABOVE = /\/\*\*(?:(?!\*\/).)*\*\/\n$/s

/** What a file exports without a docstring right above it. */
function undocumented(path: string, text: string): string[] {
  const found: string[] = []
  for (const { index, 1: fn, 2: type, 3: constant } of text.matchAll(EXPORTED)) {
    if (!DOCSTRING_ABOVE.test(text.slice(0, index))) found.push(`${path}: ${fn ?? type ?? constant ?? ''}`)
  }
  return found
}

const lineCount = (path: string): number => sourceText(path).split('\n').length - 1
const files = sourceFiles()

describe('imports point one way', () => {
  it('holds in every file', () => {
    const problems = files.flatMap((path) =>
      importsOf(path, sourceText(path))
        .map((found) => importProblem(path, found))
        .filter((problem) => problem !== null),
    )
    expect(problems).toEqual([])
    expect(files.length).toBeGreaterThan(30)
  })

  it('keeps clock, chance and the world out of scheduler/core', () => {
    const impure = files.filter((path) => path.startsWith('scheduler/core/') && IMPURE.test(sourceText(path)))
    expect(impure).toEqual([])
  })

  it('keeps the libraries of buckets, of Iceberg and of PostgreSQL out of what starts without them', () => {
    const entries = [
      'cli/sluice.ts',
      'scheduler/embedded.ts',
      'scheduler/scheduler.ts',
      'scheduler/worker/supervisor.ts',
      'scheduler/worker/slot.ts',
      'operators/index.ts',
      'lakehouse/open.ts',
      'lakehouse/engines/duckdb/lakehouse.ts',
    ]
    const loaded = new Set<string>()
    const load = (path: string): void => {
      if (loaded.has(path)) return
      loaded.add(path)
      if (!isOurs(path)) return
      for (const found of importsOf(path, sourceText(path))) if (!found.typeOnly && !found.dynamic) load(found.target)
    }
    for (const path of entries) load(path)
    const heavy = /^(@aws-sdk\/.*|pg|avsc|lossless-json|trino-client|bullmq|ioredis|nodemailer)$/
    expect([...loaded].filter((target) => heavy.test(target))).toEqual([])
    for (const near of ['lakehouse/objects/s3.ts', 'lakehouse/tables/open.ts']) expect(loaded).toContain(near)
  })

  it.each([
    ['lakehouse/tables/x.ts', `import { a } from '../../scheduler/clock.js'`, 'must not import scheduler/clock.ts'],
    ['webserver/app.ts', `import type { a } from '../cli/sluice.js'`, 'webserver must not import cli/sluice.ts'],
    ['operators/sql.ts', `const a = await import('../scheduler/x.js')`, 'operators must not import scheduler/x.ts'],
    ['errors.ts', `export { a } from './lakehouse/x.js'`, 'files at the root import no folder'],
    ['cli/run.ts', `import { a } from '../tests/x.js'`, 'cli must not import tests/x.ts'],
    ['cli/run.ts', `import { a } from './x'`, 'must end in .js'],
    ['scheduler/core/a.ts', `import { readFileSync } from 'node:fs'`, 'not from node:fs'],
    ['scheduler/core/a.ts', `import { systemClock } from '../clock.js'`, 'not from ../clock.js'],
    ['scheduler/core/a.ts', `import {\n  b,\n  type C,\n} from '../clock.js'`, 'not from ../clock.js'],
  ])('would find it in %s: %s', (path, text, problem) => {
    expect(importsOf(path, text).map((found) => importProblem(path, found))).toEqual([expect.stringContaining(problem)])
  })

  it.each([
    ['scheduler/core/a.ts', `import type { Store } from '../store/store.js'`],
    ['scheduler/core/a.ts', `import { type A, type B } from '../dag/model.js'`],
    ['scheduler/core/a.ts', `import { isoInstant } from '../../json.js'`],
    ['cli/up.ts', `import { startWeb } from '../webserver/app.js'`],
  ])('lets %s import %s', (path, text) => {
    expect(importsOf(path, text).map((found) => importProblem(path, found))).toEqual([null])
  })
})

describe('docstrings', () => {
  it('stand above every function and class that is exported', () => {
    const ours = files.filter((path) => !path.startsWith('tests/'))
    expect(ours.flatMap((path) => undocumented(path, sourceText(path)))).toEqual([])
    const exported = ours.flatMap((path) => [...sourceText(path).matchAll(EXPORTED)])
    expect(exported.length).toBeGreaterThan(1000)
  })

  it.each([
    'export function bare(): void {}',
    'export async function bare(): Promise<void> {}',
    'export default class bare {}',
    'export const bare = (text: string): string => text',
    'export const bare: Handler = async (\n  request,\n) => {}',
    'export const bare =\n  (text: string) =>\n  () => text',
    'export const bare = remembered((text: string): string => text)',
    '/** Another thing. */\nconst other = 1\nexport function bare(): void {}',
    '/** Too far above. */\n\nexport function bare(): void {}',
    '/* No docstring. */\nexport function bare(): void {}',
    '// No docstring.\nexport function bare(): void {}',
  ])('would be missed above %j', (text) => {
    expect(undocumented('a.ts', `/** One. */\nexport class One {}\n${text}\n`)).toEqual(['a.ts: bare'])
  })

  it.each([
    '/** What it promises. */\nexport function told(): void {}',
    '/**\n * What it promises.\n * @throws SluiceError NOT_FOUND\n */\nexport const told = (): void => {}',
    'function ours(): void {}',
    'export const LIMIT = 3\nexport const NAMES = STATES.map((state) => state)',
    'export interface Shape {\n  size: number\n}',
  ])('are not asked for in %j', (text) => {
    expect(undocumented('a.ts', `${text}\n`)).toEqual([])
  })
})

describe('the size of files', () => {
  it('is 500 lines at most, and 120 in the middle', () => {
    const sizes = files.map((path) => ({ path, lines: lineCount(path) })).sort((a, b) => a.lines - b.lines)
    expect(sizes.filter(({ lines }) => lines > 500)).toEqual([])
    expect(sizes[Math.floor(sizes.length / 2)]?.lines).toBeLessThanOrEqual(120)
  })

  it('holds for templates, scripts and SQL too', () => {
    const others = [
      ...filesBelow('webserver', ['.hbs', '.js']),
      ...filesBelow('scheduler', ['.sql']),
      ...filesBelow('dags', ['.sql', '.yaml']),
    ]
    expect(others.filter((path) => lineCount(path) > 500)).toEqual([])
  })
})

describe('words', () => {
  it('names no file after nothing', () => {
    const named = /(^|\/)(utils?|helpers?|common|misc|manager)(\/|[.-])|-(utils?|helpers?|manager)\./
    // Handlebars calls the functions that a template may use its helpers.
    const terms = ['scheduler/dag/template-helpers.ts']
    expect(files.filter((path) => named.test(path) && !terms.includes(path))).toEqual([])
  })

  it('leaves nothing for later, switches off no test and silences no compiler', () => {
    const forbidden = [
      ['TO', 'DO'].join(''),
      ['FIX', 'ME'].join(''),
      ['@ts-', 'ignore'].join(''),
      ['@ts-', 'nocheck'].join(''),
      ...['skip', 'only', 'todo', 'skipIf', 'runIf'].flatMap((mark) =>
        ['it', 'test', 'describe'].map((of) => `${of}.${mark}(`),
      ),
    ]
    const found = files.flatMap((path) =>
      forbidden.filter((word) => sourceText(path).includes(word)).map((word) => `${path}: ${word}`),
    )
    expect(found).toEqual([])
  })
})
