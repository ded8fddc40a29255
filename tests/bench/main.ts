import { runBench } from './bench.js'
import type { Measurement } from './figure.js'
import { backfill } from './figures/backfill.js'
import { clear } from './figures/clear.js'
import { cron, cronAmongMany } from './figures/cron.js'
import { fanOut } from './figures/fan-out.js'
import { forEach } from './figures/for-each.js'
import { hop } from './figures/hop.js'
import { hostileFiles } from './figures/hostile-files.js'
import { idle } from './figures/idle.js'
import { kills } from './figures/kills.js'
import { million } from './figures/million.js'
import { parse } from './figures/parse.js'
import { sensors } from './figures/sensors.js'
import { start } from './figures/start.js'
import { trigger } from './figures/trigger.js'

const MEASUREMENTS: readonly Measurement[] = [
  hop,
  fanOut,
  forEach,
  trigger,
  parse,
  hostileFiles,
  start,
  cron,
  cronAmongMany,
  backfill,
  clear,
  idle,
  sensors,
  million,
  kills,
]

await runBench({
  measurements: MEASUREMENTS,
  page: 'docs/BENCHMARKS.md',
  about:
    'Written by `npm run bench`; the bars are those of the design. Every figure is taken from a real `sluice up` unless its method says otherwise.',
})
