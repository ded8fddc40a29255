import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PACKAGE_ROOT } from '../../package-root.js'
import type { Figure, Measurement } from './figure.js'
import { cron } from './figures/cron.js'
import { fanOut } from './figures/fan-out.js'
import { hop } from './figures/hop.js'
import { hostileFiles } from './figures/hostile-files.js'
import { idle } from './figures/idle.js'
import { kills } from './figures/kills.js'
import { parse } from './figures/parse.js'
import { start } from './figures/start.js'
import { trigger } from './figures/trigger.js'

const MEASUREMENTS: readonly Measurement[] = [hop, fanOut, trigger, parse, hostileFiles, start, cron, idle, kills]

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const only = values.only?.split(',') ?? null
const unknown = only?.filter((id) => !MEASUREMENTS.some((measurement) => measurement.id === id)) ?? []
if (unknown.length > 0) {
  console.error(
    `bench: unknown figure ${unknown.join(', ')}; there are: ${MEASUREMENTS.map(({ id }) => id).join(', ')}`,
  )
  process.exit(2)
}

const figures: Figure[] = []
for (const measurement of MEASUREMENTS) {
  if (only !== null && !only.includes(measurement.id)) continue
  for (const figure of await measured(measurement)) {
    figures.push(figure)
    console.log(`${figure.met ? 'met   ' : 'MISSED'} ${figure.name}: ${figure.measured} (bar: ${figure.bar})`)
  }
}
if (only === null) writeReport(figures)
process.exit(figures.every((figure) => figure.met) ? 0 : 1)

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

function writeReport(rows: readonly Figure[]): void {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim()
  const commit = `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--', ':!docs/BENCHMARKS.md') === '' ? '' : ' with local changes'}`
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const text = [
    '# Benchmarks',
    '',
    'Written by `npm run bench`; the bars are those of the design. Every figure is taken from a real `sluice up` unless its method says otherwise.',
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
  writeFileSync(join(PACKAGE_ROOT, 'docs/BENCHMARKS.md'), text)
}
