import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PACKAGE_ROOT } from '../../package-root.js'
import type { Figure, Measurement } from './figure.js'

export interface Bench {
  measurements: readonly Measurement[]
  /** where a whole run is written, below the package */
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

  const figures: Figure[] = []
  for (const measurement of measurements) {
    if (only !== null && !only.includes(measurement.id)) continue
    for (const figure of await measured(measurement)) {
      figures.push(figure)
      console.log(`${figure.met ? 'met   ' : 'MISSED'} ${figure.name}: ${figure.measured} (bar: ${figure.bar})`)
    }
  }
  if (only === null) writeReport(figures, page, about)
  process.exit(figures.every((figure) => figure.met) ? 0 : 1)
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

function writeReport(rows: readonly Figure[], page: string, about: string): void {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim()
  const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--', `:!${page}`) === '' ? '' : ' with local changes'}`
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const text = [
    '# Benchmarks',
    '',
    about,
    '',
    `- Sluice ${version}, commit ${commit}, ${new Date().toISOString().slice(0, 10)}`,
    `- Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} x ${processor}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    '',
    '| figure | bar | measured | |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row.name} | ${row.bar} | ${row.measured} | ${row.met ? 'met' : '**missed**'} |`),
    '',
    '## How each is measured',
    '',
    ...rows.map((row) => `- **${row.name}**: ${row.method}.`),
    '',
  ].join('\n')
  writeFileSync(join(PACKAGE_ROOT, page), text)
}
