import type { Measurement } from '../figure.js'
import { Subject } from '../subject.js'

const ITEMS = 10_000
const SLOTS = 16

/** A task of ten thousand items: items a second from its start to its end, and how quick its page is meanwhile. */
export const forEach: Measurement = {
  id: 'for-each',
  async run() {
    const items = Array.from({ length: ITEMS }, (_, index) => index).join(', ')
    const subject = await Subject.create({
      'dags/wide.yaml': `dag: wide\ntasks:\n  load:\n    for_each: [${items}]\n    bash: ["true"]\n`,
      'sluice.yaml': `pools: { default: ${SLOTS} }\n`,
    })
    try {
      await subject.up(SLOTS)
      await subject.hasDags(1)
      const shape = await subject.finished(await subject.trigger('wide'), 900_000, 1_000)
      const [load] = shape.tasks
      if (shape.state !== 'success' || load === undefined) throw new Error(`it ended ${shape.state}: ${shape.reason}`)
      const seconds = (Date.parse(load.ended_at ?? '') - Date.parse(load.started_at ?? '')) / 1_000
      const rate = ITEMS / seconds
      return [
        {
          name: '`for_each` over 10,000 items, `bash: ["true"]`, 16 slots',
          bar: '>= 150 items/s',
          measured: `${rate.toFixed(0)} items/s`,
          met: rate >= 150,
          method: 'start to end of the task with its items, one run',
        },
      ]
    } finally {
      await subject.remove()
    }
  },
}
