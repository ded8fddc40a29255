import type { RunShape } from '../../../scheduler/shapes.js'
import { Cluster } from '../../stack/cluster/cluster.js'
import { type Figure, type Measurement, median, milliseconds, percentile } from '../figure.js'
import { chainDag, fanDag, hopsOf, rateOf } from '../shapes-of-dags.js'

const ROUNDS = 5

function service(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} must name a running service`)
  return value
}

/** Runs the DAG once for warmth and then `ROUNDS` times. */
async function rounds(dag: string, text: string, workers: readonly string[][]): Promise<RunShape[]> {
  const where = { postgres: service('PG_DSN'), redis: service('REDIS_URL') }
  const cluster = await Cluster.create(where, { [`dags/${dag}.yaml`]: text })
  try {
    await cluster.start('webserver')
    await cluster.start('scheduler')
    for (const args of workers) await cluster.start('worker', ...args)
    await cluster.knows(dag)
    const shapes: RunShape[] = []
    for (let round = 0; round <= ROUNDS; round++) {
      const run = await cluster.trigger(dag)
      await cluster.ended([run], 120_000)
      const shape = await cluster.call<RunShape>('GET', `/runs/${run}`)
      if (shape.state !== 'success') throw new Error(`${run} ended ${shape.state}: ${shape.reason}`)
      if (round > 0) shapes.push(shape)
    }
    return shapes
  } finally {
    await cluster.remove()
  }
}

export const clusterHop: Measurement = {
  id: 'hop',
  takes: 3,
  async run(): Promise<Figure[]> {
    const hops = (await rounds('chain', chainDag(100), [['--slots', '2']])).flatMap(({ tasks }) => hopsOf(tasks))
    const typical = median(hops)
    return [
      {
        name: 'chain of 100 `bash: ["true"]` on PostgreSQL and Redis, time per hop',
        bar: 'median <= 15 ms',
        measured: `median ${milliseconds(typical)}, p99 ${milliseconds(percentile(hops, 99))}`,
        value: typical,
        met: typical <= 15,
        method: `one scheduler, one worker; start to start of ${hops.length} hops in ${ROUNDS} runs after one warm-up`,
      },
    ]
  },
}

export const clusterFanOut: Measurement = {
  id: 'fan-out',
  takes: 3,
  async run(): Promise<Figure[]> {
    const slots = ['--slots', '8']
    const rate = median((await rounds('fan', fanDag(500), [slots, slots])).map(({ tasks }) => rateOf(tasks)))
    return [
      {
        name: '1 -> 500 -> 1 `bash: ["true"]` on PostgreSQL and Redis',
        bar: '>= 150 tasks/s',
        measured: `${rate.toFixed(0)} tasks/s`,
        value: rate,
        met: rate >= 150,
        method: `one scheduler, two workers of 8 slots; first start to last end of 502 tasks, median of ${ROUNDS} runs after one warm-up`,
      },
    ]
  },
}
