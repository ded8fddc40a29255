import { type Measurement, median } from '../figure.js'
import { Subject } from '../subject.js'

const ROUNDS = 5

/** From exec to a ready answer, on a store that exists. */
export const start: Measurement = {
  id: 'start',
  takes: 3,
  async run() {
    const subject = await Subject.create({ 'dags/one.yaml': 'dag: one\ntasks:\n  only: { bash: ["true"] }\n' })
    try {
      const first = await subject.up(2)
      await subject.finished(await subject.trigger('one'), 20_000)
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        await subject.down()
        times.push(await subject.up(2))
      }
      const typical = median(times)
      return [
        {
          name: 'start to ready, second start',
          bar: '<= 1.5 s',
          measured: `${(typical / 1000).toFixed(2)} s (first start ever ${(first / 1000).toFixed(2)} s)`,
          value: typical,
          met: typical <= 1500,
          method: `from starting the process to \`/health/ready\` answering 200, median of ${ROUNDS}`,
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
