import { setTimeout as delay } from 'node:timers/promises'
import { type Figure, type Measurement, milliseconds, percentile } from '../figure.js'
import { Subject } from '../subject.js'

const ITEMS = 10_000
const SLOTS = 16
const LOOK_EVERY_MS = 2_000

/** A task of ten thousand items: items a second from its start to its end, and how quick its pages are meanwhile. */
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
      const run = await subject.trigger('wide')
      const [shape, took] = await Promise.all([subject.finished(run, 900_000, 1_000), looked(subject, run)])
      const [load] = shape.tasks
      if (shape.state !== 'success' || load === undefined) throw new Error(`it ended ${shape.state}: ${shape.reason}`)
      const seconds = (Date.parse(load.ended_at ?? '') - Date.parse(load.started_at ?? '')) / 1_000
      return [rateFigure(ITEMS / seconds), pageFigure(took)]
    } finally {
      await subject.remove()
    }
  },
}

/** Looks at the pages of the run and of its task, again and again until the run has ended. */
async function looked(subject: Subject, run: string): Promise<number[]> {
  const took: number[] = []
  for (;;) {
    for (const path of [`/runs/${run}`, `/runs/${run}/tasks/load`]) took.push(await subject.page(path))
    const [entry] = await subject.runs('dag=wide&limit=1')
    if (entry?.ended_at != null) return took
    await delay(LOOK_EVERY_MS)
  }
}

function rateFigure(rate: number): Figure {
  return {
    name: '`for_each` over 10,000 items, `bash: ["true"]`, 16 slots',
    bar: '>= 150 items/s',
    measured: `${rate.toFixed(0)} items/s`,
    met: rate >= 150,
    method: 'start to end of the task with its items, one run, its pages looked at meanwhile',
  }
}

function pageFigure(took: readonly number[]): Figure {
  const late = percentile(took, 95)
  return {
    name: 'pages of a run with 10,000 items while they run',
    bar: 'p95 <= 500 ms',
    measured: `p95 ${milliseconds(late)}, at most ${milliseconds(Math.max(...took))}`,
    met: late <= 500,
    method: `${took.length} requests for the page of the run and that of its task, from asking to the last byte`,
  }
}
