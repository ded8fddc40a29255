import { type Measurement, median, milliseconds, percentile } from '../figure.js'
import { chainDag, hopsOf } from '../shapes-of-dags.js'
import { Subject } from '../subject.js'

const LENGTH = 100
const ROUNDS = 5

/** A chain of `true`: the time from one task's start to the next one's, everything between included. */
export const hop: Measurement = {
  id: 'hop',
  takes: 3,
  async run() {
    const subject = await Subject.create({ 'dags/chain.yaml': chainDag(LENGTH) })
    try {
      await subject.up(2)
      await subject.hasDags(1)
      const hops: number[] = []
      for (let round = 0; round <= ROUNDS; round++) {
        const shape = await subject.finished(await subject.trigger('chain'), 60_000)
        if (shape.state !== 'success') throw new Error(`the chain ended ${shape.state}: ${shape.reason}`)
        if (round > 0) hops.push(...hopsOf(shape.tasks))
      }
      const typical = median(hops)
      const worst = percentile(hops, 99)
      return [
        {
          name: 'chain of 100 `bash: ["true"]`, time per hop',
          bar: 'median <= 8 ms, p99 <= 30 ms',
          measured: `median ${milliseconds(typical)}, p99 ${milliseconds(worst)}`,
          value: typical,
          met: typical <= 8 && worst <= 30,
          method: `start to start of ${hops.length} hops in ${ROUNDS} runs after one warm-up, from the recorded history`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
