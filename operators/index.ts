import { approval } from './approval.js'
import { bash } from './bash.js'
import { branch } from './branch.js'
import { http } from './http.js'
import { ingest } from './ingest.js'
import type { Operator } from './operator.js'
import { python } from './python.js'
import { qualityCheck } from './quality-check.js'
import { sparkSubmit } from './spark-submit.js'
import { sql } from './sql.js'
import { triggerDag } from './trigger-dag.js'
import { waitFor } from './wait-for.js'

/**
 * Every operator by its key in YAML. Schema, reference, validation and completion follow from this map. Importing it is
 * cheap and must stay so: the slots, the compiler of DAGs and the web server all hold it; heavy libraries are imported by
 * an operator when it runs.
 */
export const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>(
  [bash, branch, python, http, ingest, sql, sparkSubmit, qualityCheck, waitFor, triggerDag, approval].map(
    (operator) => [operator.type, operator],
  ),
)
