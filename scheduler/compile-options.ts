import type { Operator } from '../operators/operator.js'
import { type Config, webhookNames } from './config.js'
import type { CompileOptions } from './dag/compile.js'

/** What DAG files may refer to, by the names in `sluice.yaml`; no secret is resolved for it. */
export function compileOptions(config: Config, operators: ReadonlyMap<string, Operator>): CompileOptions {
  return {
    operators,
    project: config.project,
    dags: config.dags,
    vars: Object.keys(config.vars),
    pools: Object.keys(config.pools),
    catalogs: Object.keys(config.catalogs),
    calendars: config.calendars,
    webhooks: webhookNames(config),
  }
}
