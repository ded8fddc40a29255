import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PACKAGE_ROOT, PACKAGE_VERSION } from '../../package-root.js'
import { type Figure, type Measurement, middleTake } from './figure.js'

export interface Bench {
  measurements: readonly Measurement[]
  /** where the figures are written, below the package; those that are not taken stay as they are */
  page: string
  /** what the page begins with */
  about: string
}

/** Takes every figure, or those that `--only a,b` names, prints a line for each, and ends the process: 0 when all bars are met. */
export async function runBench({ measurements, page, about }: Bench): Promise<never> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  const only = values.only?.split(',') ?? null
  const unknown = only?.filter((id) => !measurements.some((measurement) => measurement.id === id)) ?? []
  if (unknown.length > 0) {
    console.error(
      `bench: unknown figure ${unknown.join(', ')}; there are: ${measurements.map(({ id }) => id).join(', ')}`,
    )
    process.exit(2)
  }

  const figures = await taken(measurements.filter(({ id }) => only?.includes(id) ?? true))
  for (const figure of figures) {
    console.log(`${figure.met ? 'met   ' : 'MISSED'} ${figure.name}: ${figure.measured} (bar: ${figure.bar})`)
  }
  writeReport(figures, page, about)
  process.exit(figures.every((figure) => figure.met) ? 0 : 1)
}

/** Goes through the measurements again and again, until each has been taken as often as it is to be. */
async function taken(measurements: readonly Measurement[]): Promise<Figure[]> {
  const takes = new Map<string, Figure[]>()
  const most = Math.max(...measurements.map(({ takes = 1 }) => takes))
  for (let take = 1; take <= most; take += 1) {
    for (const measurement of measurements.filter(({ takes = 1 }) => take <= takes)) {
      for (const figure of await measured(measurement)) {
        takes.set(figure.name, [...(takes.get(figure.name) ?? []), figure])
        console.log(`       ${figure.name}: ${figure.measured}`)
      }
    }
  }
  return [...takes.values()].map(middleTake)
}

/** A measurement that breaks is a figure that is missed; the others are taken all the same. */
async function measured(measurement: Measurement): Promise<Figure[]> {
  try {
    return await measurement.run()
  } catch (error) {
    console.error(error)
    const what = error instanceof Error ? error.message : String(error)
    return [{ name: measurement.id, bar: 'can be measured', measured: what, met: false, method: 'it broke' }]
  }
}

/** A line of the page: a figure as it was measured, and when and of what. */
interface Row {
  figure: Figure
  at: string
}

const HEADINGS = ['| figure | bar | measured | | commit, day |', '|---|---|---|---|---|']
const ROW = /^\| (.+) \| (.+) \| (.+) \| (met|\*\*missed\*\*) \| (.+) \|$/
const METHOD = /^- \*\*(.+)\*\*: (.+)\.$/

/** What was measured now takes the place of what the page says of it; the other figures stay, each with its own commit. */
function writeReport(figures: readonly Figure[], page: string, about: string): void {
  const file = join(PACKAGE_ROOT, page)
  const rows = new Map(existsSync(file) ? rowsOf(readFileSync(file, 'utf8')) : [])
  const at = `${commit(page)}, ${new Date().toISOString().slice(0, 10)}`
  for (const figure of figures) rows.set(figure.name, { figure, at })
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const all = [...rows.values()]
  const text = [
    '# Benchmarks',
    '',
    about,
    '',
    `- Sluice ${PACKAGE_VERSION}`,
    `- Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} x ${processor}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    '',
    ...HEADINGS,
    ...all.map(({ figure: { name, bar, measured, met }, at }) =>
      line([name, bar, measured, met ? 'met' : '**missed**', at]),
    ),
    '',
    '## How each is measured',
    '',
    ...all.map(({ figure: { name, method } }) => `- **${name}**: ${method}.`),
    '',
  ].join('\n')
  writeFileSync(file, text)
}

function rowsOf(text: string): [string, Row][] {
  const lines = text.split('\n')
  const methods = new Map(
    lines.flatMap((text) => matched(METHOD, text)).map(([name = '', method = '']) => [name, method]),
  )
  return lines
    .flatMap((text) => matched(ROW, text))
    .map(([name = '', bar = '', measured = '', met, at = '']) => {
      const figure = { name, bar, measured, met: met === 'met', method: methods.get(name) ?? '' }
      return [name, { figure, at }]
    })
}

function matched(pattern: RegExp, text: string): string[][] {
  const found = pattern.exec(text)
  return found === null ? [] : [found.slice(1)]
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function commit(page: string): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim()
  const isClean = git('status', '--porcelain', '--', `:!${page}`) === ''
  return `${git('rev-parse', '--short', 'HEAD')}${isClean ? '' : ' with local changes'}`
}
