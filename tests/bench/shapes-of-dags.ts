/** A chain of `length` tasks that do nothing: what is measured is all that lies between them. */
export function chainDag(length: number): string {
  const tasks = Array.from({ length }, (_, index) => {
    const needs = index === 0 ? '' : `, needs: [t${index - 1}]`
    return `  t${index}: { bash: ["true"]${needs} }`
  })
  return `dag: chain\ntasks:\n${tasks.join('\n')}\n`
}

/** 1 -> `width` -> 1 tasks that do nothing. */
export function fanDag(width: number): string {
  const ids = Array.from({ length: width }, (_, index) => `t${index}`)
  const middle = ids.map((id) => `  ${id}: { bash: ["true"], needs: [first] }`)
  return [
    'dag: fan',
    `max_active_tasks: ${width}`,
    'tasks:',
    '  first: { bash: ["true"] }',
    ...middle,
    `  last: { bash: ["true"], needs: [${ids.join(', ')}] }`,
    '',
  ].join('\n')
}

interface TimedTask {
  started_at: string | null
  ended_at: string | null
}

/** Milliseconds from each start to the next one, in the order of the starts. */
export function hopsOf(tasks: readonly TimedTask[]): number[] {
  const starts = tasks.map((task) => Date.parse(task.started_at ?? '')).sort((a, b) => a - b)
  return starts.slice(1).map((start, index) => start - (starts[index] ?? Number.NaN))
}

/** Tasks a second from the first start to the last end. */
export function rateOf(tasks: readonly TimedTask[]): number {
  const first = Math.min(...tasks.map((task) => Date.parse(task.started_at ?? '')))
  const last = Math.max(...tasks.map((task) => Date.parse(task.ended_at ?? '')))
  return tasks.length / ((last - first) / 1000)
}
