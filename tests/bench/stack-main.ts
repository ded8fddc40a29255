import { runBench } from './bench.js'
import { clusterFanOut, clusterHop } from './figures/cluster.js'
import { sizes } from './figures/sizes.js'
import { trinoWrite } from './figures/trino-write.js'

await runBench({
  measurements: [clusterHop, clusterFanOut, trinoWrite, sizes],
  page: 'docs/BENCHMARKS-STACK.md',
  about:
    'Written by `npm run bench:stack` against real services on the same machine; PG_DSN, REDIS_URL and others say where they are.',
})
