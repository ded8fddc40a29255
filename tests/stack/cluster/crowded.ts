/** Many tasks for few places: one and two slots of a small pool, and a DAG with a limit of its own. */
export function crowded(): Record<string, string> {
  const pooled = Array.from(
    { length: 8 },
    (_, index) => `  p${index}: { bash: "sleep 0.05", pool: narrow, pool_slots: ${1 + (index % 2)} }`,
  )
  const limited = Array.from({ length: 8 }, (_, index) => `  t${index}: { bash: "sleep 0.05" }`)
  const retried = 'defaults: { retries: 50, retry_delay: 0s }'
  return {
    'sluice.yaml': 'pools: { narrow: 3 }\n',
    'dags/pooled.yaml': `dag: pooled\nmax_active_runs: 3\n${retried}\ntasks:\n${pooled.join('\n')}\n`,
    'dags/limited.yaml': `dag: limited\nmax_active_runs: 2\nmax_active_tasks: 4\n${retried}\ntasks:\n${limited.join('\n')}\n`,
  }
}

/** The most that may be taken at once, as `peaksOf` counts it. */
export const FULL = { pools: { narrow: 3 }, tasks: { limited: 4 }, runs: { pooled: 3, limited: 2 } }
