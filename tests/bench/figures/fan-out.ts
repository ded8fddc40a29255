import { type Measurement, median } from '../figure.js'
import { fanDag, rateOf } from '../shapes-of-dags.js'
import { Subject } from '../subject.js'

const WIDTH = 500
const SLOTS = 16
const ROUNDS = 5

/** 1 -> 500 -> 1 of `true`: tasks a second from the first start to the last end. */
export const fanOut: Measurement = {
  id: 'fan-out',
  takes: 3,
  async run() {
    const subject = await Subject.create({
      'dags/fan.yaml': fanDag(WIDTH),
      'sluice.yaml': `pools: { default: ${SLOTS} }\n`,
    })
    try {
      await subject.up(SLOTS)
      await subject.hasDags(1)
      const rates: number[] = []
      for (let round = 0; round <= ROUNDS; round++) {
        const shape = await subject.finished(await subject.trigger('fan'), 120_000, 1_000)
        if (shape.state !== 'success') throw new Error(`the fan ended ${shape.state}: ${shape.reason}`)
        if (round > 0) rates.push(rateOf(shape.tasks))
      }
      const rate = median(rates)
      return [
        {
          name: '1 -> 500 -> 1 `bash: ["true"]`, 16 slots',
          bar: '>= 250 tasks/s',
          measured: `${rate.toFixed(0)} tasks/s`,
          value: rate,
          met: rate >= 250,
          method: `first start to last end of 502 tasks, median of ${ROUNDS} runs after one warm-up`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
