import { type Measurement, median, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const ROUNDS = 60

/** From sending the POST until the task's process has started. */
export const trigger: Measurement = {
  id: 'trigger',
  takes: 3,
  async run() {
    const subject = await Subject.create({ 'dags/one.yaml': 'dag: one\ntasks:\n  only: { bash: ["true"] }\n' })
    try {
      await subject.up(2)
      await subject.hasDags(1)
      const delays: number[] = []
      for (let round = 0; round < ROUNDS + 5; round++) {
        const sent = Date.now()
        const shape = await subject.finished(await subject.trigger('one'), 20_000)
        const started = Date.parse(shape.tasks[0]?.started_at ?? '')
        if (round >= 5) delays.push(started - sent)
      }
      const typical = median(delays)
      return [
        {
          name: 'manual trigger to first task running',
          bar: 'median <= 20 ms',
          measured: `median ${milliseconds(typical)}, p99 ${milliseconds(percentile(delays, 99))}`,
          value: typical,
          met: typical <= 20,
          method: `${ROUNDS} triggers over HTTP, from sending the request to the recorded start of the task`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
