export const WAIT_FOR_DOCS = `
Waits until something is there. While it waits the task is \`deferred\`: it holds no slot and no place in its pool, survives
every restart, and says what it waits for and since when.

\`\`\`yaml
tasks:
  orders_are_in:
    wait_for: { file: "../landing/{{ date interval.start }}/*.csv", stable: 30s, timeout: 6h }
  bronze_is_done:
    wait_for: { dag: bronze_orders }                       # its run of the same data interval has succeeded
  prices_are_fresh:
    wait_for: { table: silver.prices, changed_since: "{{ interval.start }}", every: 30s }
  all_there:
    wait_for: { sql: "SELECT count(*) = 24 FROM bronze.hours WHERE day = {{ date interval.start }}", every: 5m }
  crm_is_up:
    wait_for: { http: { connection: crm, url: /health, equals: { /status: ready } }, timeout: 30m, soft_fail: true }
  night:
    wait_for: { after: 2h }                                # after the end of the interval
\`\`\`

Exactly one of \`file\`, \`table\`, \`sql\`, \`http\`, \`until\`, \`after\` and \`dag\` says what is waited for.

- **Time and runs of DAGs** are known to the scheduler, which goes on at that very moment; nobody looks every now and then.
- **Files, tables and answers** are looked at \`every\` minute, by one process for all tasks that wait for the same; a table that
  Sluice itself writes is looked at as soon as that is committed. A look that fails (a service that is down) is told on the page and
  repeated. In a bucket, name the \`connection\`.
- **A query** needs an engine, so each worker asks one after the other, in one process for all of them: with many different ones look
  less often. A query that is wrong fails the task; one that takes longer than a minute counts as a look that failed.

\`timeout\` (7d) counts over the whole wait. After it the task fails without a retry, or is skipped with \`soft_fail: true\`, and says
what the last look found. Durations, instants and addresses that no wait could use are found by \`sluice check\`. Clearing
the task begins the wait anew; marking it ends the wait.

**Outputs**: of a file \`file\`, \`files\` (at most 1,000 names), \`count\` and \`bytes\`; of a table \`table\`, \`version\` and
\`changed_at\`; of a query \`value\`; of an answer \`status\`; of a DAG \`run\` and \`state\`.
`
